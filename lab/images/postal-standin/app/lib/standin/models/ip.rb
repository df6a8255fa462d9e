# frozen_string_literal: true

class IPPool < ApplicationRecord
  with_uuid
  has_many :ip_addresses, dependent: :restrict_with_exception
  has_many :servers, dependent: :restrict_with_exception
  has_many :organization_ip_pools, dependent: :destroy
  has_many :organizations, through: :organization_ip_pools
  has_many :ip_pool_rules, dependent: :destroy
  validates :name, presence: true

  def self.default = where(default: true).order(:id).first
end

class IPAddress < ApplicationRecord
  belongs_to :ip_pool
  generated(:priority) { 100 }
  validates :ipv4, presence: true, uniqueness: true
  validates :ipv6, uniqueness: { allow_blank: true }
  validates :hostname, presence: true
  validates :priority, numericality: { only_integer: true, greater_than_or_equal_to: 0, less_than_or_equal_to: 100 }

  def self.select_by_priority = order(Arel.sql("RAND() * priority DESC")).first
end

class OrganizationIPPool < ApplicationRecord
  belongs_to :organization
  belongs_to :ip_pool
end

class IPPoolRule < ApplicationRecord
  with_uuid
  belongs_to :owner, polymorphic: true
  belongs_to :ip_pool
  validate do
    org = owner.is_a?(Organization) ? owner : owner&.organization
    errors.add(:base, "A rule needs a condition") if from.empty? && to.empty?
    errors.add(:ip_pool_id, "is not assigned to the organization") if ip_pool && ip_pool_id_changed? && !org&.ip_pools&.include?(ip_pool)
  end

  def from = from_text.to_s.split(/\r?\n/).map(&:strip)
  def to = to_text.to_s.split(/\r?\n/).map(&:strip)

  def apply_to_message?(message)
    senders = message.headers["from"] || []
    from.any? { |rule| senders.any? { |sender| matches?(rule, sender) } } || to.any? { |rule| matches?(rule, message.rcpt_to.to_s) }
  end

  private

  def matches?(rule, text)
    local, _, domain = Standin.bare_address(text).rpartition("@")
    rule == (rule.include?("@") ? "#{local.split('+').first}@#{domain}" : domain)
  end
end
