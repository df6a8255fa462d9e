# frozen_string_literal: true

require "openssl"
require "socket"
require_relative "../metrics"
require_relative "session"

module Standin
  module SMTP
    # A thread for each client. SIGTERM and SIGINT close the door; the process
    # ends when the last client has gone.
    class Server
      def initialize
        Metrics.counter(:postal_smtp_server_connections_total, "Connections taken by the SMTP server", labelled: false)
        Metrics.counter(:postal_smtp_server_exceptions_total, "Exceptions within the SMTP server")
        Metrics.counter(:postal_smtp_server_tls_connections_total, "TLS handshakes completed", labelled: false)
        Metrics.counter(:postal_smtp_server_commands_total, "SMTP commands seen")
        Metrics.counter(:postal_smtp_server_client_errors, "Errors told to clients")
        Metrics.counter(:postal_smtp_server_messages_total, "Messages accepted")
        @clients = []
        @lock = Mutex.new
      end

      def run
        address = ENV.fetch("BIND_ADDRESS", Postal::Config.smtp_server.default_bind_address)
        port = ENV.fetch("PORT", Postal::Config.smtp_server.default_port)
        BasicSocket.do_not_reverse_lookup = true
        @door = TCPServer.new(address, port)
        @door.listen(512)
        log(:info, "Listening on #{address}:#{port}")
        reader, writer = IO.pipe
        %w[TERM INT].each { |name| trap(name) { $stdout.puts("#{name} received, closing the door."); writer.close unless writer.closed? } }
        loop do
          ready, = IO.select([@door, reader])
          break if ready.include?(reader)

          accept
        end
        @door.close
        @lock.synchronize { @clients.dup }.each(&:join)
      end

      private

      def accept
        socket = @door.accept_nonblock(exception: false)
        return if socket == :wait_readable

        Metrics.increment(:postal_smtp_server_connections_total)
        thread = Thread.new { converse(socket) }
        @lock.synchronize { @clients = @clients.select(&:alive?) << thread }
      end

      def converse(socket)
        address = socket.remote_address.ip_address.sub(/\A::ffff:/, "")
        session = Session.new(Postal::Config.smtp_server.proxy_protocol? ? nil : address)
        Postal.logger.tagged(component: "smtp-server", trace_id: session.trace_id) do
          Postal.logger.debug("Connection opened from #{address}") if Postal::Config.smtp_server.log_connections?
          socket = serve(socket, session)
        end
      rescue EOFError, IOError, Errno::ECONNRESET, Errno::EPIPE, Errno::ETIMEDOUT
        nil # the client went away
      rescue StandardError => e
        return if e.is_a?(OpenSSL::SSL::SSLError) && e.message.include?("unexpected eof") # so did this one, under TLS

        log(:error, "#{e.class}: #{e.message}", trace_id: session&.trace_id)
        e.backtrace.first(10).each { |line| log(:error, line) }
        Metrics.increment(:postal_smtp_server_exceptions_total, type: "data", error: e.class.to_s)
      ensure
        begin
          socket&.close
        rescue StandardError
          nil
        end
        ActiveRecord::Base.connection_pool.release_connection
      end

      def serve(socket, session)
        socket.write("#{session.greeting}\r\n") if session.greeting
        until session.finished?
          line = socket.gets or break
          answers = Array(session.take(line))
          answers.each { |answer| socket.write("#{answer}\r\n") }
          socket = start_tls(socket, session) if session.start_tls?
          ActiveRecord::Base.connection_pool.release_connection if answers.any?
        end
        socket
      end

      # A certificate or key that is missing or broken shows here, not earlier:
      # the client loses its connection, the server goes on.
      def start_tls(socket, session)
        secure = OpenSSL::SSL::SSLSocket.new(socket, tls_context)
        secure.sync_close = true
        secure.accept
        Metrics.increment(:postal_smtp_server_tls_connections_total)
        session.tls_started
        secure
      rescue OpenSSL::SSL::SSLError => e
        Postal.logger.debug("SSL Negotiation Failed: #{e.message}")
        raise EOFError
      end

      # Made at the first STARTTLS and kept: a renewed certificate needs a restart.
      def tls_context
        @tls_context ||= begin
          settings = Postal::Config.smtp_server
          certificates = File.read(settings.tls_certificate_path).scan(/-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----/m)
                             .map { |pem| OpenSSL::X509::Certificate.new(pem) }
          context = OpenSSL::SSL::SSLContext.new
          context.cert = certificates.first
          context.extra_chain_cert = certificates.drop(1)
          context.key = OpenSSL::PKey.read(File.read(settings.tls_private_key_path))
          context.ssl_version = settings.ssl_version if settings.ssl_version
          context.ciphers = settings.tls_ciphers if settings.tls_ciphers
          context
        end
      end

      def log(level, text, **tags) = Postal.logger.public_send(level, text, component: "smtp-server", **tags)
    end
  end
end
