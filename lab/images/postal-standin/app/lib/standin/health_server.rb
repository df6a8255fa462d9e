# frozen_string_literal: true

require "webrick"
require_relative "metrics"

module Standin
  # /health says only that the process lives: no database is asked. When the
  # port is taken the process runs on without it.
  class HealthServer < WEBrick::HTTPServlet::AbstractServlet
    def self.start(name, settings)
      port = ENV.fetch("HEALTH_SERVER_PORT", settings.default_health_server_port).to_i
      address = ENV.fetch("HEALTH_SERVER_BIND_ADDRESS", settings.default_health_server_bind_address)
      server = WEBrick::HTTPServer.new(Port: port, BindAddress: address, AccessLog: [], Logger: WEBrick::Log.new(File::NULL))
      server.mount("/", self, name)
      Postal.logger.info("health server listens on #{address}:#{port}", component: "health-server")
      Thread.new { server.start }
    rescue Errno::EADDRINUSE
      Postal.logger.info("#{address}:#{port} is taken, this process runs without a health server")
    end

    def initialize(server, name)
      super
      @name = name
    end

    def do_GET(request, response)
      response.status, response.body =
        case request.path
        when "/health"  then [200, "OK"]
        when "/metrics" then [200, Metrics.text]
        when "/"        then [200, "#{@name} (pid: #{Process.pid}, host: #{Socket.gethostname})"]
        else [404, "Not Found"]
        end
      response["Content-Type"] = "text/plain"
    end
  end
end
