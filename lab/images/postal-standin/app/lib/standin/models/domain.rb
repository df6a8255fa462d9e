# frozen_string_literal: true

class Domain < ApplicationRecord
  with_uuid
  random :dkim_identifier_string, 6

  belongs_to :server, optional: true
  belongs_to :owner, optional: true, polymorphic: true
  has_many :routes, dependent: :destroy
  has_many :track_domains, dependent: :destroy

  validates :name, presence: true, format: { with: /\A[a-z0-9\-.]*\z/ },
                   uniqueness: { case_sensitive: false, scope: %i[owner_type owner_id], message: "is already added" }
  validates :verification_method, inclusion: { in: %w[DNS Email] }

  before_create { self.dkim_private_key = OpenSSL::PKey::RSA.new(1024).to_s }
  before_save do
    if verification_method_changed?
      self.verification_token = verification_method == "DNS" ? SecureRandom.alphanumeric(32) : rand(100_000..999_999).to_s
    end
  end

  scope :verified, -> { where.not(verified_at: nil) }

  def verified? = !verified_at.nil?

  def mark_as_verified
    verified? ? false : update!(verified_at: Time.now)
  end

  def dkim_key = dkim_private_key && OpenSSL::PKey::RSA.new(dkim_private_key)
  def dkim_record = dkim_key && Standin::Signer.new(dkim_key).dkim_record
  def dkim_identifier = dkim_identifier_string && "#{Postal::Config.dns.dkim_identifier}-#{dkim_identifier_string}"
  def dkim_record_name = dkim_identifier && "#{dkim_identifier}._domainkey"
  def spf_record = "v=spf1 a mx include:#{Postal::Config.dns.spf_include} ~all"
  def return_path_domain = "#{Postal::Config.dns.custom_return_path_prefix}.#{name}"
  def dns_verification_string = "#{Postal::Config.dns.domain_verify_prefix} #{verification_token}"

  def resolver
    return Standin::Resolver.local if Postal::Config.postal.use_local_ns_for_domain_verification?

    @resolver ||= Standin::Resolver.for_domain(name)
  end

  def verify_with_dns
    return false unless verification_method == "DNS" && resolver.txt(name).include?(dns_verification_string)

    update(verified_at: Time.now)
  end

  def dns_checked? = !spf_status.nil?

  def dns_ok?
    spf_status == "OK" && dkim_status == "OK" && [mx_status, return_path_status].all? { |status| %w[OK Missing].include?(status) }
  end

  def check_dns(source = :manual)
    { spf: look_at_spf, dkim: look_at_dkim, mx: look_at_mx, return_path: look_at_return_path }.each do |what, (status, error)|
      self["#{what}_status"] = status
      self["#{what}_error"] = error
    end
    self.dns_checked_at = Time.now
    save!
    report_faults if source == :auto && !dns_ok? && owner.is_a?(Server)
    dns_ok?
  end

  private

  def look_at_spf
    records = resolver.txt(name).grep(/\Av=spf1/)
    return ["Missing", "#{name} has no SPF record"] if records.empty?

    include = Postal::Config.dns.spf_include
    return "OK" if records.any? { |record| record.match?(/include:\s*#{Regexp.escape(include)}/) }

    ["Invalid", "The SPF record lacks include:#{include}"]
  end

  def look_at_dkim
    place = "#{dkim_record_name}.#{name}"
    records = resolver.txt(place)
    return ["Missing", "#{place} has no TXT record"] if records.empty?
    return ["Invalid", "#{place} has #{records.size} TXT records and must have one"] if records.size > 1
    return "OK" if "#{records.first.delete_suffix(';')};" == dkim_record

    ["Invalid", "The TXT record at #{place} is not the one of this domain's key"]
  end

  def look_at_mx
    answers = resolver.mx(name).map(&:downcase)
    wanted = Postal::Config.dns.mx_records
    missing = wanted - answers
    return ["Missing", "#{name} has no MX record"] if answers.empty?
    return "OK" if missing.empty?
    return ["Missing", "No MX record of #{name} leads here"] if missing.size == wanted.size

    ["Invalid", "#{name} lacks MX #{missing.join(', ')}"]
  end

  def look_at_return_path
    records = resolver.cname(return_path_domain)
    wanted = Postal::Config.dns.return_path_domain
    return ["Missing", "#{return_path_domain} does not exist"] if records.empty?
    return "OK" if records == [wanted]

    ["Invalid", "#{return_path_domain} points to #{records.first}, not to #{wanted}"]
  end

  def report_faults
    faults = %w[spf dkim mx return_path].flat_map { |what| ["#{what}_status", "#{what}_error"] }
    WebhookRequest.trigger(owner, "DomainDNSError", {
      server: owner.webhook_hash, domain: name, uuid: uuid, dns_checked_at: dns_checked_at.to_f,
      **faults.to_h { |column| [column.to_sym, self[column]] }
    })
  end
end

class TrackDomain < ApplicationRecord
  with_uuid
  belongs_to :server
  belongs_to :domain

  before_validation { self.server ||= domain.server if domain }
  after_create :check_dns, unless: :dns_status

  validates :name, presence: true, format: { with: /\A[a-z0-9-]+\z/ }, uniqueness: { scope: :domain_id, case_sensitive: false, message: "is already added" }
  validates :domain_id, uniqueness: { scope: :server_id, case_sensitive: false, message: "has a track domain on this server already" }
  validate do
    errors.add(:domain, "is neither the server's nor its organization's") if domain && server && ![server, server.organization].include?(domain.owner)
  end

  scope :ok, -> { where(dns_status: "OK") }

  def full_name = "#{name}.#{domain.name}"
  def dns_ok? = dns_status == "OK"
  def excluded_click_domains_array = excluded_click_domains.to_s.split("\n").map(&:strip)

  def check_dns
    records = domain.resolver.cname(full_name)
    wanted = Postal::Config.dns.track_domain
    self.dns_status, self.dns_error =
      if records.empty? then ["Missing", "#{full_name} does not exist"]
      elsif records == [wanted] then ["OK", nil]
      else ["Invalid", "#{full_name} points to #{records.first}, not to #{wanted}"]
      end
    self.dns_checked_at = Time.now
    save!
    dns_ok?
  end
end
