# frozen_string_literal: true

require "resolv"

module Standin
  # DNS by the name servers of dns.resolv_conf_path only: /etc/hosts is never
  # asked, as in Postal.
  class Resolver
    IN = Resolv::DNS::Resource::IN

    class Unavailable < StandardError; end

    def self.local
      path = Postal::Config.dns.resolv_conf_path
      raise Unavailable, "No resolver config found at #{path}" unless File.file?(path)

      servers = File.readlines(path).filter_map { |line| line[/\A\s*nameserver\s+(\S+)/, 1] }
      raise Unavailable, "Could not find nameservers in #{path}" if servers.empty?

      new(servers)
    end

    # A resolver that asks the domain's own name servers.
    def self.for_domain(name)
      asker = local
      labels = name.split(".")
      hosts = (0...labels.size - 1).lazy.map { |skip| asker.ns(labels.drop(skip).join(".")) }.find(&:any?) || []
      new(hosts.flat_map { |host| asker.a(host) }.uniq)
    end

    def initialize(servers)
      @servers = servers
    end

    def a(name, **how)     = ask(name, IN::A, **how).map { |record| record.address.to_s }
    def aaaa(name, **how)  = ask(name, IN::AAAA, **how).map { |record| record.address.to_s }
    def txt(name, **how)   = ask(name, IN::TXT, **how).map { |record| record.data.to_s.strip }
    def cname(name, **how) = ask(name, IN::CNAME, **how).map { |record| record.name.to_s.downcase }
    def ns(name, **how)    = ask(name, IN::NS, **how).map { |record| record.name.to_s }

    # Host names, best preference first, equals in random order.
    def mx(name, **how)
      ask(name, IN::MX, **how).sort_by { |record| [record.preference, rand] }.map { |record| record.exchange.to_s }
    end

    # The name of an address, or the address when it has none. Waits for a dead
    # resolver as long as its timeouts are, which senders feel on each message.
    def name_of(address)
      open { |dns| dns.getname(address).to_s }
    rescue Resolv::ResolvError
      address
    end

    private

    def ask(name, type, timeout_is_error: false)
      open(timeout_is_error) { |dns| dns.getresources(name, type) }
    end

    def open(timeout_is_error = false)
      seconds = Postal::Config.dns.timeout
      Resolv::DNS.open(nameserver: @servers, raise_timeout_errors: timeout_is_error) do |dns|
        dns.timeouts = [seconds, seconds / 2, seconds / 2]
        yield dns
      end
    end
  end
end
