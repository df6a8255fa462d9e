# frozen_string_literal: true

class Route < ApplicationRecord
  MODES = %w[Endpoint Accept Hold Bounce Reject].freeze
  SPAM_MODES = %w[Mark Quarantine Fail].freeze
  RETURN_PATH = "__returnpath__"

  with_uuid
  random :token, 8

  belongs_to :server
  belongs_to :domain, optional: true
  belongs_to :endpoint, polymorphic: true, optional: true
  has_many :additional_route_endpoints, dependent: :destroy

  validates :name, presence: true, format: /\A([a-z0-9\-.]*|\*|#{RETURN_PATH})\z/
  validates :spam_mode, inclusion: { in: SPAM_MODES }
  validates :endpoint, presence: { if: -> { mode == "Endpoint" } }
  validates :domain_id, presence: { unless: :return_path? }
  validate :mode_is_chosen, :domain_is_ours, :endpoint_is_ours, :name_is_free, :return_path_goes_to_http

  def self.find_by_name_and_domain(name, domain)
    [name, "*"].lazy.filter_map { |wanted| joins(:domain).find_by(name: wanted, domains: { name: domain }) }.first
  end

  def return_path? = name == RETURN_PATH
  def wildcard? = name == "*"
  def description = return_path? ? "Return Path" : "#{name}@#{domain.name}"
  def forward_address = "#{token}@#{Postal::Config.dns.route_domain}"

  # One message for the endpoint, and one more for each additional endpoint.
  def create_messages(&fill)
    endpoints = mode == "Endpoint" ? [self, *additional_route_endpoints.select(&:endpoint)] : [nil]
    endpoints.map do |target|
      message = server.message_db.new_message(scope: "incoming", rcpt_to: description, domain_id: domain&.id, route_id: id)
      message[:endpoint_type] = target.endpoint_type if target
      message[:endpoint_id] = target.endpoint_id if target
      fill.call(message)
      message.save
    end
  end

  private

  def mode_is_chosen
    errors.add(:endpoint, "must be chosen") if mode.nil?
  end

  def domain_is_ours
    return unless domain

    errors.add(:domain, :invalid) unless [server, server&.organization].include?(domain.owner)
    errors.add(:domain, "has not been verified yet") unless domain.verified?
  end

  def endpoint_is_ours
    errors.add(:endpoint, :invalid) if endpoint && endpoint.server != server
  end

  def name_is_free
    return if server.nil?

    others = Route.where.not(id: id)
    if domain
      other = others.joins(:domain).find_by(name: name, domains: { name: domain.name })
      errors.add(:name, "is a route of #{other.server.full_permalink} already") if other
    elsif others.exists?(name: RETURN_PATH) # of the installation, not only of this server
      errors.add(:base, "There is a return path route already")
    end
  end

  def return_path_goes_to_http
    return if !return_path? || (mode == "Endpoint" && endpoint_type == "HTTPEndpoint")

    errors.add(:base, "The return path can only be routed to an HTTP endpoint")
  end
end
