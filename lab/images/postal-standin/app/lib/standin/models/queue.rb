# frozen_string_literal: true

class QueuedMessage < ApplicationRecord
  include Lockable
  belongs_to :server
  belongs_to :ip_address, optional: true

  before_create :allocate_ip_address

  scope :ready_with_delayed_retry, -> { where("retry_after IS NULL OR retry_after < ?", 30.seconds.ago) }
  scope :with_stale_lock, -> { where("locked_at < ?", Postal::Config.postal.queued_message_lock_stale_days.days.ago) }

  attr_writer :message

  def message
    @message ||= server&.message_db&.messages(where: { id: message_id }, limit: 1)&.first
  end

  def retry_now = update!(retry_after: nil)

  def allocate_ip_address
    return unless Postal.ip_pools? && message

    pool = server.ip_pool_for_message(message)
    self.ip_address = pool.ip_addresses.select_by_priority if pool
  end

  # Locks, for whoever holds this row, others that go the same way.
  def batchable_messages(limit)
    return [] if batch_key.nil?

    mine = { batch_key: batch_key, ip_address_id: ip_address_id }
    now = Time.now
    holder = Postal.locker_name
    QueuedMessage.ready.where(**mine, locked_by: nil, locked_at: nil).limit(limit).update_all(locked_by: holder, locked_at: now)
    QueuedMessage.where(**mine, locked_by: holder, locked_at: now).where.not(id: id).to_a
  end
end

class ScheduledTask < ApplicationRecord; end

class Statistic < ApplicationRecord
  def self.global = first || create!
end

class WorkerRole < ApplicationRecord
  class << self
    # Renews, takes over after five minutes, or creates; false when it is another's.
    def acquire(role)
      mine = where(role: role, worker: Postal.locker_name)
      return :renewed if mine.update_all(acquired_at: Time.current).positive?

      idle = where(role: role).where("acquired_at IS NULL OR acquired_at < ?", 5.minutes.ago)
      return :stolen if idle.update_all(acquired_at: Time.current, worker: Postal.locker_name).positive?

      create!(role: role, worker: Postal.locker_name, acquired_at: Time.current)
      :created
    rescue ActiveRecord::RecordNotUnique
      false
    end

    def release(role) = where(role: role, worker: Postal.locker_name).delete_all.positive?
  end
end
