# frozen_string_literal: true

class Webhook < ApplicationRecord
  with_uuid
  belongs_to :server
  has_many :webhook_events, dependent: :destroy
  has_many :webhook_requests

  validates :name, presence: true
  validates :url, presence: true, format: { with: %r{\Ahttps?://[a-z0-9\-._?=&/+:%@]+\z}i, allow_blank: true }

  scope :enabled, -> { where(enabled: true) }
  after_save :store_events

  def events = @events || webhook_events.map(&:event)
  def events=(names)
    @events = names.map(&:to_s).reject(&:empty?)
  end

  private

  def store_events
    wanted = all_events ? [] : @events
    return if wanted.nil?

    webhook_events.where.not(event: wanted).destroy_all
    wanted.each { |event| webhook_events.find_or_create_by!(event: event) }
  end
end

class WebhookEvent < ApplicationRecord
  EVENTS = %w[MessageSent MessageDelayed MessageDeliveryFailed MessageHeld MessageBounced MessageLinkClicked MessageLoaded DomainDNSError].freeze
  belongs_to :webhook
  validates :event, presence: true
end

class WebhookRequest < ApplicationRecord
  include Lockable
  with_uuid
  serialize :payload, type: Hash, coder: YAML
  belongs_to :server
  belongs_to :webhook, optional: true
  validates :url, :event, presence: true

  # One request for each webhook of the server that wants the event.
  def self.trigger(server, event, payload = {})
    server = Server.find(server) unless server.is_a?(Server)
    server.webhooks.enabled.select { |hook| hook.all_events || hook.events.include?(event) }.each do |hook|
      create!(server: server, webhook: hook, url: hook.url, event: event, payload: payload)
    end
  end
end
