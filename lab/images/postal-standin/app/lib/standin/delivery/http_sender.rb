# frozen_string_literal: true

require "base64"
require "json"
require_relative "http_client"
require_relative "result"

module Standin
  module Delivery
    # Hands incoming messages to an HTTP endpoint.
    class HTTPSender
      def initialize(endpoint)
        @endpoint = endpoint
        @log_id = SecureRandom.alphanumeric(8).upcase
      end

      def start = nil
      def finish = nil

      def deliver(message)
        started = Time.now
        body, type = encode(@endpoint.format == "RawMessage" ? raw(message) : parsed(message))
        answer = HTTPClient.post(@endpoint.url, body: body, type: type, timeout: @endpoint.timeout || 5)
        Postal.logger.info("Received #{answer.code} from #{@endpoint.url}", id: @log_id, component: "http-sender")
        Result.new(details: "Received a #{answer.code} from #{@endpoint.url}", output: answer.body.to_s[0, 500].strip,
                   secure: answer.secure, log_id: @log_id, time: (Time.now - started).round(2), **verdict(answer.code))
      end

      private

      def verdict(code)
        case code
        when 200..299 then { type: "Sent" }
        when 500..599 then { type: "SoftFail", retry: true }
        when ..-1     then { type: "SoftFail", retry: true, connect_error: true }
        when 429      then { type: "HardFail", quiet: true }
        else { type: "HardFail" }
        end
      end

      def encode(values)
        return [values.to_json, "application/json"] if @endpoint.encoding == "BodyAsJSON"

        flat = values.except(:attachments)
        Array(values[:attachments]).each_with_index do |attachment, index|
          attachment.each { |key, value| flat["attachments[#{index}][#{key}]"] = value }
        end
        [URI.encode_www_form(flat), "application/x-www-form-urlencoded"]
      end

      def raw(message)
        { id: message.id, rcpt_to: message.rcpt_to, mail_from: message.mail_from, message: Base64.encode64(message.raw_message),
          base64: true, size: message.size.to_i }
      end

      def parsed(message)
        last = ->(name) { message.headers[name]&.last }
        values = {
          id: message.id, rcpt_to: message.rcpt_to, mail_from: message.mail_from, token: message.token, subject: message.subject,
          message_id: message.message_id, timestamp: message.timestamp.to_f, size: message.size, spam_status: message.spam_status,
          bounce: message.bounce, received_with_ssl: message.received_with_ssl, to: last["to"], cc: last["cc"], from: last["from"],
          date: last["date"], in_reply_to: last["in-reply-to"], references: last["references"], html_body: message.html_body,
          attachment_quantity: message.attachments.size, auto_submitted: last["auto-submitted"], reply_to: message.headers["reply-to"],
          plain_body: message.plain_body
        }
        values[:attachments] = message.attachments.map { |part| attachment(part) } if @endpoint.include_attachments
        values
      end

      def attachment(part)
        content = part.body.decoded
        { filename: part.filename, content_type: part.mime_type, size: content.bytesize, data: Base64.encode64(content) }
      end
    end
  end
end
