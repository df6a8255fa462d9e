# frozen_string_literal: true

require "base64"
require_relative "authentication"
require_relative "received"

module Standin
  module SMTP
    # The conversation with one client: a line in, answers out. What it accepts
    # and the words of its refusals are those of Postal, because clients and
    # probes depend on them.
    class Session
      include Authentication

      Recipient = Struct.new(:kind, :address, :server, :route)

      attr_reader :trace_id

      def initialize(address)
        @address = address
        @trace_id = SecureRandom.alphanumeric(8).upcase
        @stage = address ? :greeted : :proxy
        reset
      end

      def greeting
        "220 #{hostname} ESMTP Postal/#{trace_id}" unless @stage == :proxy
      end

      def finished? = @finished
      def start_tls? = @handshake
      def receiving? = @reply_to_line == :data_line

      def tls_started
        @handshake = false
        @tls = true
      end

      def take(line)
        ended_well = line.end_with?("\r\n")
        Postal.logger.warn("Line without a carriage return") unless ended_well
        line = line.b.chomp
        return proxy(line) if @stage == :proxy

        log("<= #{secret?(line) ? '[redacted]' : line.strip}") unless receiving?
        answer = @reply_to_line ? send(@reply_to_line, line, ended_well) : command(line)
        Array(answer).each { |text| log("=> #{text}") }
        answer
      ensure
        @last_ended_well = ended_well
      end

      private

      def hostname = Postal::Config.postal.smtp_hostname
      def log(text) = quiet? ? nil : Postal.logger.debug(text)

      def quiet?
        pattern = Postal::Config.smtp_server.log_ip_address_exclusion_matcher
        pattern && @address&.match?(pattern)
      end

      def reset
        @recipients = []
        @sender = @text = nil
      end

      def refuse(reason, answer)
        Metrics.increment(:postal_smtp_server_client_errors, error: reason)
        answer
      end

      def count(name) = Metrics.increment(:postal_smtp_server_commands_total, command: name)

      def proxy(line)
        _, client, = line.match(/\APROXY (\S+) (\S+) \S+ \S+ \S+\z/)&.captures
        unless client
          @finished = true
          return refuse("proxy-error", "502 Proxy Error")
        end
        @address = client
        @stage = :greeted
        count("PROXY")
        greeting
      end

      def command(line)
        case line
        when /\AQUIT/i          then quit
        when /\ASTARTTLS/i      then starttls
        when /\AEHLO/i          then hello("EHLO", line, ["250-My capabilities are", ("250-STARTTLS" if tls_offered?), "250 AUTH CRAM-MD5 PLAIN LOGIN"].compact)
        when /\AHELO/i          then hello("HELO", line, "250 #{hostname}")
        when /\ARSET/i          then rset
        when /\ANOOP/i          then "250 OK"
        when /\AAUTH PLAIN/i    then auth_plain(line)
        when /\AAUTH LOGIN/i    then auth_login(line)
        when /\AAUTH CRAM-MD5/i then auth_cram_md5
        when /\AMAIL FROM/i     then mail_from(line)
        when /\ARCPT TO/i       then rcpt_to(line)
        when /\ADATA/i          then data
        else refuse("invalid-command", "502 Invalid/unsupported command")
        end
      end

      def quit
        @finished = true
        "221 Closing Connection"
      end

      def tls_offered? = Postal::Config.smtp_server.tls_enabled? && !@tls

      def starttls
        return refuse("tls-unavailable", "502 TLS not available") unless Postal::Config.smtp_server.tls_enabled?

        count("STARTLS") # sic, as the label is spelt there
        @handshake = true
        "220 Ready to start TLS"
      end

      def hello(name, line, answer)
        count(name)
        @helo = line.strip.split(" ", 2)[1]
        reset
        @stage = :ready
        answer
      end

      def rset
        count("RSET")
        reset
        @stage = :ready
        "250 OK"
      end

      def mail_from(line)
        return refuse("mail-from-out-of-order", "503 EHLO/HELO first please") unless %i[ready sender].include?(@stage)

        reset
        @stage = :sender
        @sender = path(line, /\AMAIL FROM\s*:\s*/i)
        "250 OK"
      end

      def path(line, verb)
        text = line.sub(verb, "")
        (text[/<([^>]*)>/, 1] || text.split(/\s/).first).to_s.strip.force_encoding("UTF-8").scrub
      end

      # ---- recipients

      def rcpt_to(line)
        unless %i[sender recipient].include?(@stage)
          return refuse("rcpt-to-out-of-order", "503 EHLO/HELO and MAIL FROM first please")
        end

        address = path(line, /\ARCPT TO\s*:\s*/i)
        return refuse("empty-rcpt-to", "501 RCPT TO should not be empty") if address.empty?

        local, domain = address.split("@", 2)
        return refuse("invalid-rcpt-to", "501 Invalid RCPT TO") if domain.to_s.empty?

        add_recipient(address, domain, *local.split("+", 2))
      end

      def add_recipient(address, domain, name = nil, tag = nil)
        dns = Postal::Config.dns
        if domain == dns.return_path_domain || domain.start_with?("#{dns.custom_return_path_prefix}.")
          server = ::Server.find_by(token: name) or return refused("invalid-server-token", "550 Invalid server token")
          accept(Recipient.new(:bounce, address, server))
        elsif domain == dns.route_domain
          route = Route.find_by(token: name) or return refused("invalid-route-token", "550 Invalid route token")
          accept_route(route, "#{route.name}#{"+#{tag}" if tag}@#{route.domain.name}")
        elsif @credential
          accept(Recipient.new(:outgoing, address, @credential.server))
        elsif (route = Route.find_by_name_and_domain(name, domain))
          accept_route(route, address)
        elsif (@credential = credential_of_address)
          @credential.use
          accept(Recipient.new(:outgoing, address, @credential.server))
        else
          Postal.logger.warn("Authentication failure for #{@address}")
          refuse("authentication-required", "530 Authentication required")
        end
      end

      def accept_route(route, address)
        return refused("route-rejected", "550 Route does not accept incoming messages") if route.mode == "Reject"

        accept(Recipient.new(:incoming, address, route.server, route))
      end

      def accept(recipient)
        return refused("server-suspended", "535 Mail server has been suspended") if recipient.server.suspended?

        @stage = :recipient
        @recipients << recipient
        "250 OK"
      end

      def refused(reason, answer)
        @stage = :recipient # DATA without a recipient is let through, and goes nowhere
        refuse(reason, answer)
      end

      # The SMTP-IP credential with the narrowest network around the client.
      def credential_of_address
        Credential.where(type: "SMTP-IP").select { |credential| credential.covers?(@address) }.max_by { |credential| credential.network.prefix }
      end

      # ---- message

      def data
        return refuse("data-out-of-order", "503 HELO/EHLO, MAIL FROM and RCPT TO before sending data") unless @stage == :recipient

        @text = +"".b
        @text << "Received: #{Received.header(@credential&.server, @helo, @address)}\r\n"
        @reply_to_line = :data_line
        "354 Go ahead"
      end

      def data_line(line, ended_well)
        if line == "." && ended_well && @last_ended_well
          @reply_to_line = nil
          answer = finish_message
          reset
          @stage = :ready
          return answer
        end
        @text << line.delete_prefix(line.start_with?("..") ? "." : "") << "\r\n"
        nil
      end

      def finish_message
        limit = Postal::Config.smtp_server.max_message_size
        return refuse("message-too-large", "552 Message too large (maximum size #{limit}MB)") if @text.bytesize > limit * 1024 * 1024

        headers = header_fields
        passes = headers.fetch("received", []).count { |value| value.include?("by #{hostname}") }
        return refuse("loop-detected", "550 Loop detected") if passes > 4

        if @credential
          domain = @credential.server.find_authenticated_domain_from_headers(headers)
          return refuse("from-name-invalid", "530 From/Sender name is not valid") if domain.nil?
        end
        @recipients.each { |recipient| store(recipient, domain) }
        "250 OK"
      end

      def header_fields
        head = @text.split("\r\n\r\n", 2).first.gsub(/\r\n(?=[ \t])/n, "")
        head.split("\r\n").each_with_object({}) do |line, fields|
          name, value = line.split(/:\s*/n, 2)
          (fields[name.to_s.downcase] ||= []) << value.to_s.force_encoding("UTF-8").scrub
        end
      end

      def store(recipient, domain)
        kind = { bounce: "bounce", incoming: "incoming", outgoing: "outgoing" }.fetch(recipient.kind)
        Metrics.increment(:postal_smtp_server_messages_total, type: kind, tls: @tls ? "yes" : "no")
        return_route = recipient.server.routes.find_by(name: Route::RETURN_PATH) if recipient.kind == :bounce
        if (route = recipient.route || return_route)
          route.create_messages { |message| fill(message, recipient) }
        else
          message = recipient.server.message_db.new_message(scope: recipient.kind == :outgoing ? "outgoing" : "incoming")
          message[:domain_id] = domain&.id
          message[:credential_id] = @credential&.id if recipient.kind == :outgoing
          fill(message, recipient).save
        end
      end

      def fill(message, recipient)
        message.rcpt_to = recipient.address
        message.mail_from = @sender
        message.received_with_ssl = @tls ? true : nil
        message.bounce = true if recipient.kind == :bounce
        message.raw_message = @text
        message
      end
    end
  end
end
