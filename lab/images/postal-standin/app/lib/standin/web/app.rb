# frozen_string_literal: true

require "json"
require "rack"
require_relative "api"
require_relative "pages"
require_relative "tracking"

module Standin
  # The web process: tracking requests first, then the check of the Host header,
  # then the API and the pages.
  module Web
    def self.application
      Rack::Request.ip_filter = lambda do |address|
        address.match?(/\A(127\.0\.0\.1|::1|localhost|unix.*)\z|\Afd[0-9a-f]{2}:/i) || trusted?(address)
      end
      Connections.new(Tracking.new(HostCheck.new(Log.new(Router.new))))
    end

    def self.trusted?(address)
      Postal::Config.postal.trusted_proxies.any? { |network| network.include?(IPAddr.new(address)) }
    rescue IPAddr::Error
      false
    end

    # Gives the database connection of the thread back after each request.
    class Connections
      def initialize(app)
        @app = app
      end

      def call(env)
        @app.call(env)
      ensure
        ActiveRecord::Base.connection_pool.release_connection
      end
    end

    # 403 for every Host (and X-Forwarded-Host) but postal.web_hostname.
    class HostCheck
      def initialize(app)
        @app = app
      end

      def call(env)
        wanted = Postal::Config.postal.web_hostname.downcase
        hosts = [env["HTTP_HOST"], env["HTTP_X_FORWARDED_HOST"]&.split(/,\s*/)&.last].compact
        allowed = hosts.any? && hosts.all? { |host| host.downcase.sub(/:\d+\z/, "") == wanted }
        allowed ? @app.call(env) : [403, { "content-type" => "text/html; charset=utf-8" }, [""]]
      end
    end

    # One line for each request.
    class Log
      def initialize(app)
        @app = app
      end

      def call(env)
        status, headers, body = @app.call(env)
        request = Rack::Request.new(env)
        Postal.logger.info("#{request.request_method} #{request.path} (#{status})", event: "request", method: request.request_method,
                           path: request.path, ip_address: request.ip, status: status)
        [status, headers, body]
      rescue StandardError => e
        Postal.logger.error("#{env['REQUEST_METHOD']} #{env['PATH_INFO']} (500)", exception_class: e.class, exception_message: e.message,
                            exception_backtrace: e.backtrace.first(4).join("\n"))
        [500, { "content-type" => "text/html; charset=utf-8" }, ["<h1>Something went wrong</h1>"]]
      end
    end

    class Router
      def call(env)
        request = Rack::Request.new(env)
        case request.path
        when %r{\A/api/v1/(send|messages)/(\w+)\z} then API.new(request).answer("#{$1}/#{$2}")
        when "/ip" then text("ip: #{request.ip} remote ip: #{request.ip}")
        when "/.well-known/jwks.json" then json(keys: [Postal.signer.jwk])
        else Pages.new(request).answer
        end
      end

      private

      def text(body) = [200, { "content-type" => "text/plain; charset=utf-8" }, [body]]
      def json(body) = [200, { "content-type" => "application/json; charset=utf-8" }, [body.to_json]]
    end
  end
end
