# frozen_string_literal: true

require "time"

module Standin
  # The Received header of a message taken by SMTP or by the HTTP API. Unless
  # the server has privacy mode it names the client, which costs a PTR lookup.
  module Received
    def self.header(server, helo, address, how = "SMTP")
      host = how == "SMTP" ? Postal::Config.postal.smtp_hostname : Postal::Config.postal.web_hostname
      ours = "by #{host} with #{how}; #{Time.now.utc.rfc2822}"
      return ours if server&.privacy_mode

      "from #{helo} (#{Resolver.local.name_of(address)} [#{address}]) #{ours}"
    end
  end
end
