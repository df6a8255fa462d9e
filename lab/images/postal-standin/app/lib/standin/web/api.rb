# frozen_string_literal: true

require_relative "../smtp/received"

module Standin
  module Web
    # /api/v1: always HTTP 200, the outcome being in "status". Parameters come
    # as a JSON body, or as JSON in the form field "params".
    class API
      # A refusal: the API's status and its data.
      class Refusal < StandardError
        attr_reader :status, :data

        def initialize(status, data)
          super(status)
          @status = status
          @data = data
        end
      end

      ACTIONS = { "send/message" => :send_message, "send/raw" => :send_raw, "messages/message" => :message, "messages/deliveries" => :deliveries }.freeze
      ATTEMPTS = { to: "TooManyToAddresses", cc: "TooManyCCAddresses", bcc: "TooManyBCCAddresses" }.freeze

      def initialize(request)
        @request = request
        @started = Time.now
      end

      def answer(path)
        action = ACTIONS[path] or return [404, { "content-type" => "text/html; charset=utf-8" }, ["<h1>Not found</h1>"]]
        authenticate
        @params = parameters
        reply("success", send(action))
      rescue Refusal => e
        reply(e.status, e.data)
      end

      private

      def reply(status, data)
        body = { status: status, time: (Time.now - @started).round(3), flags: {}, data: data }
        [200, { "content-type" => "application/json; charset=utf-8" }, [body.to_json]]
      end

      def refuse(code, message = nil, **more) = raise(Refusal.new("error", { **more, code: code, message: message }.compact))
      def require_parameter(name, present = @params[name].present?)
        raise Refusal.new("parameter-error", { message: "`#{name}` parameter is required but is missing" }) unless present
      end

      def authenticate
        key = @request.get_header("HTTP_X_SERVER_API_KEY").to_s
        refuse("AccessDenied", "This needs the API key of a server.") if key.empty?
        @credential = Credential.find_by(type: "API", key: key) or refuse("InvalidServerAPIKey", "X-Server-API-Key holds no valid key.", token: key)
        refuse("ServerSuspended") if @credential.server.suspended?
        @credential.use
        @server = @credential.server
      end

      def parameters
        source = @request.media_type == "application/json" ? @request.body&.read : @request.params["params"]
        source.to_s.empty? ? {} : JSON.parse(source)
      rescue JSON::ParserError
        {}
      end

      # ---- sending

      def send_message
        to, cc, bcc = %w[to cc bcc].map { |name| @params[name].is_a?(String) ? @params[name].split(/,\s*/) : Array(@params[name]) }
        domain = check_message(to, cc, bcc)
        id = "#{SecureRandom.uuid}@#{Postal::Config.dns.return_path_domain}"
        text = build(to, cc, id).to_s
        messages = [*to, *cc, *bcc].to_h do |recipient|
          address = Standin.bare_address(recipient)
          [address, queue(address, Standin.bare_address(@params["from"]), domain, text, tag: @params["tag"])]
        end
        { message_id: id, messages: messages }
      end

      def check_message(to, cc, bcc)
        refuse("NoRecipients", "Nobody is named to receive this message") if [to, cc, bcc].all?(&:empty?)
        ATTEMPTS.each { |name, code| refuse(code, "At most 50 #{name} addresses are accepted") if { to: to, cc: cc, bcc: bcc }[name].size > 50 }
        refuse("NoContent", "The message has no content") if @params["plain_body"].blank? && @params["html_body"].blank?
        refuse("FromAddressMissing", "A From address is required") if @params["from"].blank?
        domain = @server.authenticated_domain_for_address(@params["from"])
        domain ||= @server.authenticated_domain_for_address(@params["sender"]) if @server.allow_sender?
        refuse("UnauthenticatedFromAddress", "This server may not send as that From address") if domain.nil?
        Array(@params["attachments"]).grep(Hash).each do |attachment|
          refuse("AttachmentMissingName", "An attachment has no name") if attachment["name"].blank?
          refuse("AttachmentMissingData", "An attachment has no data") if attachment["data"].blank?
        end
        domain
      end

      def build(to, cc, id)
        mail = Mail.new
        @params["headers"].to_h.each { |name, value| mail[name] = value.to_s }
        mail.from = @params["from"]
        mail.to = to unless to.empty?
        mail.cc = cc unless cc.empty?
        %w[sender reply_to subject].each { |name| mail.public_send("#{name}=", @params[name]) if @params[name].present? }
        mail.text_part = Mail::Part.new.tap { |part| part.body = @params["plain_body"] } if @params["plain_body"].present?
        mail.html_part = Mail::Part.new.tap { |part| part.content_type = "text/html; charset=UTF-8"; part.body = @params["html_body"] } if @params["html_body"].present?
        Array(@params["attachments"]).grep(Hash).each do |attachment|
          mail.attachments[attachment["name"]] = { mime_type: attachment["content_type"] || "application/octet-stream", content: attachment["data"].unpack1("m") }
        end
        mail.header["Received"] = Received.header(@server, "api", @request.ip, "HTTP")
        mail.message_id = "<#{id}>"
        mail
      end

      def send_raw
        require_parameter("rcpt_to", @params["rcpt_to"].is_a?(Array))
        require_parameter("mail_from")
        require_parameter("data")
        text = @params["data"].unpack1("m")
        head = Mail.new(text.split(/\r?\n\r?\n/, 2).first)
        domain = @server.find_authenticated_domain_from_headers("from" => head.from, "sender" => head.sender)
        refuse("UnauthenticatedFromAddress") if domain.nil?
        messages = @params["rcpt_to"].uniq.to_h { |address| [address, queue(address, @params["mail_from"], domain, text)] }
        { message_id: head.message_id, messages: messages }
      end

      def queue(address, sender, domain, text, **more)
        message = @server.message_db.new_message(scope: "outgoing", rcpt_to: address, mail_from: sender, domain_id: domain.id,
                                                 credential_id: @credential.id, received_with_ssl: true, bounce: @params["bounce"] ? true : false, **more)
        message.raw_message = text
        message.save
        { id: message.id, token: message.token }
      end

      # ---- looking

      def found
        require_parameter("id")
        @server.message(@params["id"])
      rescue Postal::MessageDB::Message::NotFound
        refuse("MessageNotFound", "No message has that id", id: @params["id"])
      end

      def message
        message = found
        wanted = @params["_expansions"]
        parts = expansions(message).select { |name, _| wanted == true || Array(wanted).include?(name.to_s) }
        { id: message.id, token: message.token, **parts.transform_values(&:call) }
      end

      def expansions(message)
        {
          status: -> { { status: message.status, last_delivery_attempt: message.last_delivery_attempt&.to_f, held: message.held, hold_expiry: message.hold_expiry&.to_f } },
          details: lambda {
            { rcpt_to: message.rcpt_to, mail_from: message.mail_from, subject: message.subject, message_id: message.message_id,
              timestamp: message.timestamp.to_f, direction: message.scope, size: message.size, bounce: message.bounce,
              bounce_for_id: message.bounce_for_id, tag: message.tag, received_with_ssl: message.received_with_ssl }
          },
          inspection: -> { { inspected: message.inspected, spam: message.spam, spam_score: message.spam_score.to_f, threat: message.threat, threat_details: message.threat_details } },
          plain_body: -> { message.plain_body },
          html_body: -> { message.html_body },
          headers: -> { message.headers },
          raw_message: -> { [message.raw_message].pack("m") },
          attachments: lambda {
            message.attachments.map do |part|
              content = part.body.decoded
              { filename: part.filename, content_type: part.mime_type, data: [content].pack("m"), size: content.bytesize, hash: Digest::SHA1.hexdigest(content) }
            end
          }
        }
      end

      def deliveries
        found.deliveries.map do |delivery|
          { id: delivery.id, status: delivery.status, details: delivery.details, output: delivery.output&.strip, sent_with_ssl: delivery.sent_with_ssl,
            log_id: delivery.log_id, time: delivery.time&.to_f, timestamp: delivery.timestamp.to_f }
        end
      end
    end
  end
end
