# frozen_string_literal: true

# What the three kinds of endpoint have in common.
module Endpoint
  def self.included(model)
    model.with_uuid
    model.belongs_to :server
    model.has_many :routes, as: :endpoint
    model.has_many :additional_route_endpoints, dependent: :destroy, as: :endpoint
    model.before_destroy { routes.each { |route| route.update(endpoint: nil, mode: "Reject") } }
  end

  def mark_as_used = update_column(:last_used_at, Time.now)
end

class HTTPEndpoint < ApplicationRecord
  include Endpoint
  generated(:timeout) { 5 }
  validates :name, :url, presence: true
  validates :encoding, inclusion: { in: %w[BodyAsJSON FormData] }
  validates :format, inclusion: { in: %w[Hash RawMessage] }
  validates :timeout, numericality: { greater_than_or_equal_to: 5, less_than_or_equal_to: 60 }

  def description = "#{name} (#{url})"
end

class SMTPEndpoint < ApplicationRecord
  include Endpoint
  validates :name, presence: true
  validates :hostname, presence: true, format: /\A[a-z0-9.-]*\z/
  validates :ssl_mode, inclusion: { in: %w[None Auto STARTTLS TLS] }
  validates :port, numericality: { only_integer: true, allow_blank: true }

  def description = "#{name} (#{hostname})"
end

class AddressEndpoint < ApplicationRecord
  include Endpoint
  validates :address, presence: true, format: { with: /@/ },
                      uniqueness: { scope: :server_id, message: "has already been added", case_sensitive: false }

  def description = address
  def domain = address.split("@", 2).last
end

class AdditionalRouteEndpoint < ApplicationRecord
  belongs_to :route
  belongs_to :endpoint, polymorphic: true
  validate do
    errors.add(:endpoint, :invalid) if endpoint && endpoint.server != route.server
    errors.add(:base, "This endpoint is on the route already") if endpoint == route.endpoint
    errors.add(:base, "A wildcard route takes HTTP endpoints only") if route.wildcard? && endpoint_type != "HTTPEndpoint"
  end
end
