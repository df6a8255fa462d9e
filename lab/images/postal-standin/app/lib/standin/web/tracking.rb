# frozen_string_literal: true

module Standin
  module Web
    # Requests that the proxy marks with X-Postal-Track-Host: 1, whatever their
    # Host: opens (/img/SERVER/MESSAGE), clicks (/SERVER/LINK), and a greeting.
    class Tracking
      PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=".unpack1("m").freeze

      def initialize(app)
        @app = app
      end

      def call(env)
        return @app.call(env) unless env["HTTP_X_POSTAL_TRACK_HOST"].to_i == 1

        request = Rack::Request.new(env)
        case request.path
        when %r{\A/img/([a-z0-9-]+)/([a-z0-9-]+)}i then opened(request, $1, $2)
        when %r{\A/([a-z0-9-]+)/([a-z0-9-]+)}i     then clicked(request, $1, $2)
        else [200, {}, ["Hello."]]
        end
      end

      private

      def opened(request, server_token, message_token)
        server = ::Server.find_by(token: server_token) or return [404, {}, ["Invalid Server Token"]]
        message = server.message_db.messages(where: { token: message_token }, limit: 1).first
        if message
          message.update(loaded: Time.now.to_f) if message.loaded.nil?
          visit = { ip_address: request.ip, user_agent: request.user_agent }
          server.message_db.insert(:loads, message_id: message.id, timestamp: Time.now.to_f, **visit)
          WebhookRequest.trigger(server, "MessageLoaded", { message: message.webhook_hash, **visit })
        end
        [200, { "content-type" => "image/png", "content-length" => PIXEL.bytesize.to_s }, [PIXEL]]
      end

      def clicked(request, server_token, link_token)
        server = ::Server.find_by(token: server_token) or return [404, {}, ["Invalid Server Token"]]
        link = server.message_db.select(:links, where: { token: link_token }, limit: 1).first or return [404, {}, ["Link not found"]]
        visit = { ip_address: request.ip, user_agent: request.user_agent }
        server.message_db.insert(:clicks, message_id: link["message_id"], link_id: link["id"], timestamp: Time.now.to_f, **visit)
        server.message_db.update(:messages, { clicked: Time.now.to_f }, where: { id: link["message_id"] })
        message = server.message_db.messages(where: { id: link["message_id"] }, limit: 1).first
        WebhookRequest.trigger(server, "MessageLinkClicked", { message: message.webhook_hash, url: link["url"], token: link["token"], **visit }) if message
        [307, { "location" => link["url"] }, ["Redirected to: #{link['url']}"]]
      end
    end
  end
end
