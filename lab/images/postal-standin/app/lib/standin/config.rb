# frozen_string_literal: true

# Settings, log and keys: all that commands without a database need. Anything
# wrong with the configuration file shows here, at start; the signing key and
# the TLS files are read when first used.

require "socket"
require_relative "breakage"
require_relative "log"
require_relative "settings/loader"
require_relative "signer"

module Postal
  class Error < StandardError; end

  class << self
    def config_file_path
      ENV.fetch("POSTAL_CONFIG_FILE_PATH", "config/postal/postal.yml")
    end

    def version
      ENV.fetch("POSTAL_STANDIN_VERSION", "3.3.7")
    end

    # True from the given version on: the stand-in answers as more than one.
    def since?(version)
      Gem::Version.new(self.version) >= Gem::Version.new(version)
    end

    def logger
      @logger ||= Standin::Log.new(Config.logging.enabled? ? $stdout : File.open(File::NULL, "w"))
    end

    # Who holds a lock. Two workers with one host name and one process id, as
    # on the host's network, are therefore one and the same to each other.
    def locker_name(suffix = nil)
      ["host:#{Socket.gethostname}", "pid:#{Process.pid}", "thread:#{Thread.current.native_thread_id}", suffix].compact.join(" ")
    end

    def signer
      @signer ||= Standin::Signer.new(OpenSSL::PKey::RSA.new(File.read(Config.postal.signing_key_path)))
    end

    def rp_dkim_dns_record
      signer.dkim_record
    end

    def ip_pools?
      Config.postal.use_ip_pools?
    end
  end

  Config = Standin::Settings::Loader.new(path: config_file_path, env: ENV).load
end
