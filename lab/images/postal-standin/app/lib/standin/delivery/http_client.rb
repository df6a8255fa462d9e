# frozen_string_literal: true

require "ipaddr"
require "net/http"
require "resolv"
require "timeout"

module Standin
  module Delivery
    # POST to an address that somebody else chose. From 3.3.7 on, addresses that
    # are not public are refused (code -4) unless the settings allow them.
    module HTTPClient
      PRIVATE = %w[
        0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.168.0.0/16
        198.18.0.0/15 224.0.0.0/4 240.0.0.0/4 ::/128 ::1/128 fc00::/7 fe80::/10 ff00::/8 ::ffff:0:0/96
      ].map { |text| IPAddr.new(text) }.freeze

      Answer = Struct.new(:code, :body, :secure)

      class << self
        def post(url, body:, type:, timeout:)
          uri = URI.parse(url)
          secure = uri.scheme == "https"
          unless permitted?(uri.host)
            return Answer.new(-4, "Destination #{uri.host} is not permitted", secure)
          end

          Timeout.timeout(timeout) do
            answer = connection(uri, secure).request(request(uri, body, type))
            Answer.new(answer.code.to_i, answer.body, secure)
          end
        rescue OpenSSL::SSL::SSLError
          Answer.new(-3, "Invalid SSL certificate", secure)
        rescue Timeout::Error
          Answer.new(-1, "Timed out after #{timeout}s", secure)
        rescue SocketError, SystemCallError, EOFError => e
          Answer.new(-2, e.message, secure)
        end

        private

        def connection(uri, secure)
          http = Net::HTTP.new(uri.host, uri.port)
          http.use_ssl = secure
          http.verify_mode = OpenSSL::SSL::VERIFY_PEER
          http
        end

        def request(uri, body, type)
          post = Net::HTTP::Post.new(uri.request_uri)
          post.basic_auth(uri.user, uri.password) if uri.user
          post["Content-Type"] = type
          post["User-Agent"] = "Postal/#{Postal.version}"
          post["X-Postal-Signature-KID"] = Postal.signer.key_id
          post["X-Postal-Signature"] = Postal.signer.sign64(body, "SHA1")
          post["X-Postal-Signature-256"] = Postal.signer.sign64(body)
          post.body = body
          post
        end

        def permitted?(host)
          return true unless Postal.since?("3.3.7")

          allowed = Postal::Config.postal.allowed_request_destinations
          networks, names = allowed.map { |entry| parse(entry) || entry.downcase }.partition { |entry| entry.is_a?(IPAddr) }
          return true if names.include?(host.downcase)

          addresses = Addrinfo.getaddrinfo(host, nil, nil, :STREAM).map { |info| IPAddr.new(info.ip_address.sub(/%.*/, "")) }
          addresses.none? { |address| within?(PRIVATE, address) && !within?(networks, address) }
        rescue SocketError
          true # the request itself will say so
        end

        def within?(networks, address) = networks.any? { |network| network.family == address.family && network.include?(address) }

        def parse(text)
          IPAddr.new(text)
        rescue IPAddr::Error
          nil
        end
      end
    end
  end
end
