# frozen_string_literal: true

class User < ApplicationRecord
  with_uuid
  has_secure_password validations: false
  generated(:time_zone) { "UTC" }

  has_many :organization_users, dependent: :destroy, as: :user
  has_many :organizations, through: :organization_users

  validates :first_name, :last_name, presence: true
  validates :email_address, presence: true, uniqueness: { case_sensitive: false }, format: { with: /@/, allow_blank: true }
  validates :password, length: { minimum: 8, allow_blank: true }, confirmation: { allow_blank: true }
  validate { errors.add(:password, :blank) if password_digest.blank? && !Postal::Config.oidc.enabled? }

  def self.[](address) = find_by(email_address: address)
  def name = "#{first_name} #{last_name}"
  def email_tag = "#{name} <#{email_address}>"
end

class UserInvite < ApplicationRecord
  with_uuid
  generated(:expires_at) { 7.days.from_now }
  has_many :organization_users, dependent: :destroy, as: :user
  validates :email_address, presence: true, uniqueness: { case_sensitive: false }, format: { with: /@/, allow_blank: true }
end

class OrganizationUser < ApplicationRecord
  belongs_to :organization
  belongs_to :user, polymorphic: true, optional: true
end

class Organization < ApplicationRecord
  TAKEN = %w[new edit remove delete destroy admin mail org server].freeze

  with_uuid
  soft_deleted
  generated(:time_zone) { "UTC" }
  generated(:permalink) { name&.parameterize }

  belongs_to :owner, class_name: "User"
  has_many :organization_users, dependent: :destroy
  has_many :users, through: :organization_users, source_type: "User"
  has_many :user_invites, through: :organization_users, source_type: "UserInvite", source: :user
  has_many :servers, dependent: :destroy
  has_many :domains, as: :owner, dependent: :destroy
  has_many :organization_ip_pools, dependent: :destroy
  has_many :ip_pools, through: :organization_ip_pools
  has_many :ip_pool_rules, dependent: :destroy, as: :owner

  validates :name, :time_zone, presence: true
  validates :permalink, presence: true, format: { with: /\A[a-z0-9-]*\z/ }, uniqueness: { case_sensitive: false }, exclusion: { in: TAKEN }

  after_create { ip_pools << IPPool.default if IPPool.default }

  def self.[](key) = key.is_a?(String) ? find_by(permalink: key) : find_by(id: key.to_i)
  def suspended? = !suspended_at.nil?
  def status = suspended? ? "Suspended" : "Active"
  def to_param = permalink

  def make_owner(user)
    organization_users.find_by(user: user).update(admin: true, all_servers: true)
    update(owner: user)
  end
end
