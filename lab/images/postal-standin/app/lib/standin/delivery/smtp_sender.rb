# frozen_string_literal: true

require "net/smtp"
require_relative "result"

module Standin
  module Delivery
    # Hands messages for one domain to the first SMTP server that answers: the
    # configured relays, or the domain's MX hosts (the domain itself without
    # any). Host names go through DNS only, IPv6 first.
    class SMTPSender
      Target = Struct.new(:host, :port, :ssl_mode)

      # nil when no relay is usable: then mail goes straight to the MX hosts.
      def self.relays
        usable = Postal::Config.postal.smtp_relays.select { |relay| relay.host.present? }
        usable.map { |relay| Target.new(relay.host, relay.port, relay.ssl_mode) }.presence
      end

      def initialize(domain, source: nil, targets: nil, rcpt_to: nil)
        @domain = domain
        @source = source
        @targets = targets
        @rcpt_to = rcpt_to
        @log_id = SecureRandom.alphanumeric(8).upcase
        @errors = []
        @tried = []
      end

      def start
        targets = @targets || self.class.relays || mail_exchangers
        targets.each do |target|
          addresses_of(target.host).each { |address| return if connect(target, address) }
        end
      end

      def deliver(message)
        return unreachable if @session.nil?

        sender = envelope_sender(message)
        text = message.raw_message
        text = "Resent-Sender: #{sender}\r\n#{text}" if Postal::Config.postal.use_resent_sender_header?
        recipient = @rcpt_to || message.rcpt_to
        log(:info, "Sending message #{message.database.server_id}::#{message.id} to #{recipient}")
        transmit(text, sender, recipient)
      end

      def finish
        @session&.finish
      rescue StandardError
        nil
      ensure
        @session = nil
      end

      private

      def mail_exchangers
        hosts = Resolver.local.mx(@domain, timeout_is_error: true)
        (hosts.presence || [@domain]).map { |host| Target.new(host, 25, "Auto") }
      end

      def addresses_of(host)
        resolver = Resolver.local
        resolver.aaaa(host) + resolver.a(host)
      end

      def connect(target, address, tls: true)
        return false if address.include?(":") && @source && @source.ipv6.blank?

        @tried |= [target.host]
        session = Net::SMTP.new(address, target.port)
        session.open_timeout = Postal::Config.smtp_client.open_timeout
        session.read_timeout = Postal::Config.smtp_client.read_timeout
        session.tls_hostname = target.host
        session.source_address = address.include?(":") ? @source.ipv6 : @source.ipv4 if @source
        choose_tls(session, tls ? target.ssl_mode : "None")
        session.start(@source&.hostname || Postal::Config.dns.helo_hostname || Postal::Config.postal.smtp_hostname || "localhost")
        @where = "#{address}:#{target.port} (#{target.host})"
        log(:info, "Connected to #{@where}")
        @session = session
        true
      rescue StandardError => e
        if e.is_a?(OpenSSL::SSL::SSLError) && tls && target.ssl_mode == "Auto"
          log(:error, "SSL error (#{e.message}), retrying without SSL")
          return connect(target, address, tls: false)
        end
        log(:error, "Cannot connect to #{address}:#{target.port} (#{target.host}) (#{e.class}: #{e.message})")
        @errors |= [e.message]
        false
      end

      # Opportunistic TLS takes any certificate; a mode that demands TLS does not.
      # "STARTTLS" demands nothing: Postal compares it with a misspelt constant,
      # and sends in the clear. So does this.
      def choose_tls(session, mode)
        context = OpenSSL::SSL::SSLContext.new
        case mode
        when "Auto"
          context.verify_mode = OpenSSL::SSL::VERIFY_NONE
          session.enable_starttls_auto(context)
        when "TLS"
          context.verify_mode = OpenSSL::SSL::VERIFY_PEER
          context.cert_store = OpenSSL::X509::Store.new.tap(&:set_default_paths)
          session.enable_tls(context)
        else
          session.disable_starttls
          session.disable_tls
        end
      end

      def envelope_sender(message)
        return "" if message.bounce?

        domain = message.domain
        host = domain.return_path_status == "OK" ? domain.return_path_domain : Postal::Config.dns.return_path_domain
        "#{message.server.token}@#{host}"
      end

      def transmit(text, sender, recipient)
        started = Time.now
        answer = @session.send_message(text, sender, [recipient])
        log(:info, "Accepted by #{@where} for #{recipient}")
        result("Sent", started, details: "#{@where} has taken the message for #{recipient}", output: answer.string)
      rescue Net::SMTPFatalError => e
        failed(e)
        result("HardFail", started, details: "#{@where} refused the message for good", output: e.message)
      rescue StandardError => e
        failed(e)
        wait = e.message[/(\d+) seconds/, 1]&.to_i || e.message[/(\d+) minutes/, 1]&.to_i&.*(60)
        result("SoftFail", started, details: "#{@where} did not take the message this time", output: e.message, retry: wait ? wait + 10 : true)
      end

      def failed(error)
        log(:error, "#{error.class}: #{error.message.strip}")
        @session.rset
      rescue StandardError
        finish
      end

      def unreachable
        tried = @tried.empty? ? "There is none to try." : "Tried #{@tried.to_sentence}."
        result("SoftFail", nil, details: "No SMTP server of #{@domain} answers. #{tried}",
                                output: @errors.join(", "), retry: true, connect_error: true)
      end

      def result(type, started, **more)
        secure = @session&.instance_variable_get(:@socket)&.io.is_a?(OpenSSL::SSL::SSLSocket)
        Result.new(type: type, log_id: @log_id, secure: secure, time: started && (Time.now - started).round(2), **more)
      end

      def log(level, text) = Postal.logger.public_send(level, text, log_id: @log_id)
    end
  end
end
