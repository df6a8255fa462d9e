# frozen_string_literal: true

class ApplicationRecord < ActiveRecord::Base
  self.abstract_class = true
  self.inheritance_column = "sti_type" # there are columns called type

  before_validation :blanks_to_nil

  # Fills a column with a value of its own before the first validation.
  def self.generated(column, on: :create, &block)
    before_validation(on: on) { self[column] = instance_exec(&block) if self[column].nil? }
  end

  def self.random(column, size, alphabet: [*"a".."z", *"A".."Z"])
    generated(column) do
      loop do
        value = Array.new(size) { alphabet.sample(random: SecureRandom) }.join
        break value unless self.class.exists?(column => value)
      end
    end
  end

  def self.with_uuid
    generated(:uuid) { SecureRandom.uuid }
    define_method(:to_param) { uuid }
  end

  def self.soft_deleted
    scope :present, -> { where(deleted_at: nil) }
    scope :deleted, -> { where.not(deleted_at: nil) }
    define_method(:soft_destroy) { update!(deleted_at: Time.now) }
  end

  private

  def blanks_to_nil
    attributes.each { |name, value| self[name] = nil if value == "" }
  end
end

# Rows that one worker at a time may hold, and that come back after a while.
module Lockable
  def self.included(model)
    model.scope :unlocked, -> { where(locked_at: nil) }
    model.scope :ready, -> { where("retry_after IS NULL OR retry_after < ?", Time.now) }
  end

  def ready? = retry_after.nil? || retry_after < Time.now
  def locked? = !locked_at.nil?
  def unlock = update_columns(locked_by: nil, locked_at: nil)

  # Five minutes first, then 1.3 times as long each time.
  def retry_later(seconds = nil)
    seconds ||= 300 * (1.3**attempts)
    update_columns(locked_by: nil, locked_at: nil, retry_after: Time.now + seconds, attempts: attempts + 1)
  end
end
