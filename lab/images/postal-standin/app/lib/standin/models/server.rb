# frozen_string_literal: true

class Server < ApplicationRecord
  TAKEN = %w[new all search stats edit manage delete destroy remove].freeze
  MODES = %w[Live Development].freeze

  attr_accessor :provision_database

  with_uuid
  soft_deleted
  random :token, 6, alphabet: [*"a".."z"]
  generated(:permalink) { name&.parameterize }
  generated(:raw_message_retention_days) { 30 }
  generated(:raw_message_retention_size) { 2048 }
  generated(:message_retention_days) { 60 }
  generated(:spam_threshold) { Postal::Config.postal.default_spam_threshold }
  generated(:spam_failure_threshold) { Postal::Config.postal.default_spam_failure_threshold }

  belongs_to :organization
  belongs_to :ip_pool, optional: true
  has_many :domains, dependent: :destroy, as: :owner
  has_many :credentials, dependent: :destroy
  has_many :smtp_endpoints, dependent: :destroy
  has_many :http_endpoints, dependent: :destroy
  has_many :address_endpoints, dependent: :destroy
  has_many :routes, dependent: :destroy
  has_many :queued_messages, dependent: :delete_all
  has_many :webhooks, dependent: :destroy
  has_many :webhook_requests, dependent: :destroy
  has_many :track_domains, dependent: :destroy
  has_many :ip_pool_rules, dependent: :destroy, as: :owner

  validates :name, presence: true, uniqueness: { scope: :organization_id, case_sensitive: false }
  validates :mode, inclusion: { in: MODES }
  validates :permalink, presence: true, format: { with: /\A[a-z0-9-]*\z/ }, exclusion: { in: TAKEN },
                        uniqueness: { scope: :organization_id, case_sensitive: false }
  validate do
    if ip_pool && ip_pool_id_changed? && !organization.ip_pools.include?(ip_pool)
      errors.add(:ip_pool_id, "is not assigned to the organization")
    end
  end

  # A new server drops whatever database already has its name.
  after_create { message_db.provisioner.provision unless provision_database == false }
  after_commit(on: :destroy) { message_db.provisioner.drop unless provision_database == false }

  def self.[](key)
    return find_by(id: key.to_i) unless key.to_s.include?("/")

    org, server = key.split("/", 2)
    joins(:organization).find_by(organizations: { permalink: org }, permalink: server)
  end

  def to_param = permalink
  def full_permalink = "#{organization.permalink}/#{permalink}"
  def suspended? = !suspended_at.nil? || organization.suspended?
  def status = suspended? ? "Suspended" : mode
  def suspend(reason) = update!(suspended_at: Time.now, suspension_reason: reason)
  def unsuspend = update!(suspended_at: nil, suspension_reason: nil)
  def queue_size = queued_messages.ready.count
  def held_messages = message_db.messages(where: { held: true }, count: true)
  def send_volume = message_db.live_stats.total(60, types: [:outgoing])
  def webhook_hash = { uuid: uuid, name: name, permalink: permalink, organization: organization&.permalink }

  def message_db
    @message_db ||= Postal::MessageDB::Database.new(organization_id, id)
  end

  def message(key) = message_db.message(key)

  # The verified domain of the server, or else of its organization, that an
  # address is in; failing that the server's domain that is good for any.
  def authenticated_domain_for_address(address)
    local, name = Standin.bare_address(address)&.split("@", 2)
    return nil if local.blank? || name.blank?

    mine = Domain.verified.where(owner_type: "Server", owner_id: id)
    orgs = Domain.verified.where(owner_type: "Organization", owner_id: organization_id)
    mine.find_by(name: name) || orgs.find_by(name: name) || mine.where(use_for_any: true).order(:name).first
  end

  # headers: name => values. Every From (or, where allowed, Sender) must be ours.
  def find_authenticated_domain_from_headers(headers)
    ["from", *("sender" if allow_sender?)].each do |name|
      values = headers[name].is_a?(Array) ? headers[name] : [headers[name].to_s]
      domains = values.map { |value| authenticated_domain_for_address(value) }
      return domains.first if domains.all?
    end
    nil
  end

  def ip_pool_for_message(message)
    return unless message.scope == "outgoing"

    rule = [self, organization].flat_map { |owner| owner.ip_pool_rules.order(created_at: :desc).to_a }
                               .find { |candidate| candidate.apply_to_message?(message) }
    rule ? rule.ip_pool : ip_pool
  end
end

class Credential < ApplicationRecord
  TYPES = %w[SMTP API SMTP-IP].freeze

  with_uuid
  serialize :options, type: Hash, coder: YAML
  belongs_to :server

  before_validation(on: :create) { self.key = SecureRandom.alphanumeric(24) unless type == "SMTP-IP" }

  validates :key, presence: true, uniqueness: { case_sensitive: false }
  validates :type, inclusion: { in: TYPES }
  validates :name, presence: true
  validate do
    if type == "SMTP-IP"
      errors.add(:key, "is no IPv4 or IPv6 address or network") unless network
    elsif persisted? && key_changed?
      errors.add(:key, "cannot be changed")
    end
  end

  def use = update_column(:last_used_at, Time.now)

  def network
    IPAddr.new(key.to_s)
  rescue IPAddr::Error
    nil
  end

  def covers?(address)
    address = IPAddr.new(address)
    network && [network, (network.ipv4_mapped if network.ipv4?)].compact.any? { |net| net.family == address.family && net.include?(address) }
  end
end
