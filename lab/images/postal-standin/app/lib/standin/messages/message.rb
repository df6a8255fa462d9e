# frozen_string_literal: true

module Postal
  module MessageDB
    # One row of messages, its raw text and its history.
    class Message
      class NotFound < Postal::Error; end

      COLUMNS = %w[
        id token scope rcpt_to mail_from subject message_id route_id domain_id credential_id status size raw_table raw_body_id
        raw_headers_id inspected spam spam_score threat threat_details bounce bounce_for_id tag loaded clicked received_with_ssl
        tracked_links tracked_images parsed endpoint_id endpoint_type
      ].freeze
      COLUMNS.each do |name|
        define_method(name) { @row[name] }
        define_method("#{name}=") { |value| @row[name] = value }
      end

      attr_reader :database

      def initialize(database, row = {})
        @database = database
        @row = row.transform_keys(&:to_s)
      end

      def [](name) = @row[name.to_s]
      def []=(name, value)
        @row[name.to_s] = value
      end

      def persisted? = !id.nil?
      def reload = @database.message(id)
      def server = @database.server
      def domain = domain_id && Domain.find_by(id: domain_id)
      def route = route_id && Route.find_by(id: route_id)
      def credential = credential_id && Credential.find_by(id: credential_id)
      def endpoint = endpoint_type && endpoint_type.constantize.find_by(id: endpoint_id)
      def timestamp = time(:timestamp)
      def last_delivery_attempt = time(:last_delivery_attempt)
      def hold_expiry = time(:hold_expiry)
      def held = @row["held"] ? 1 : 0
      def held? = status == "Held"
      def bounce? = [true, 1].include?(bounce)
      def recipient_domain = rcpt_to.to_s.split("@").last
      def spam_status = truthy(inspected) ? (truthy(spam) ? "Spam" : "NotSpam") : "NotChecked"
      def send_bounces? = !bounce? && !mail_from.to_s.empty?

      # ---- raw text

      def raw_message=(text)
        @pending = text.b
      end

      def raw_message? = !raw_table.nil?
      def raw_headers = @raw_headers ||= part(raw_headers_id)
      def raw_body = @raw_body ||= part(raw_body_id)
      def raw_message = "#{raw_headers}\r\n\r\n#{raw_body}"

      # name in lower case => decoded values
      def headers
        @headers ||= Mail.new(raw_headers).header.fields.each_with_object({}) do |field, found|
          (found[field.name.downcase] ||= []) << field.decoded
        rescue Mail::Field::IncompleteParseError
          next
        end
      end

      def mail = raw_message? ? Mail.new(raw_message) : nil
      def attachments = mail&.attachments || []
      def plain_body = body_part("text/plain")
      def html_body = body_part("text/html")

      def prepend_headers(*lines)
        @raw_headers = [*lines, raw_headers].join("\r\n")
        @headers = nil
        @database.update(raw_table, { data: @raw_headers }, where: { id: raw_headers_id })
      end

      def replace_raw(headers, body)
        @database.update(raw_table, { data: headers }, where: { id: raw_headers_id })
        @database.update(raw_table, { data: body }, where: { id: raw_body_id })
        @raw_headers = headers
        @raw_body = body
        @headers = nil
      end

      # ---- saving

      def save(queue_on_create: true)
        store_raw if @pending
        if persisted?
          @database.update(:messages, @row.except("id"), where: { id: id })
        else
          create
          add_to_message_queue if queue_on_create
        end
        self
      end

      def update(values)
        @row.merge!(values.transform_keys(&:to_s))
        @database.update(:messages, values, where: { id: id })
      end

      def add_to_message_queue(**more)
        QueuedMessage.create!(server_id: @database.server_id, message_id: id, domain: recipient_domain, route_id: route_id, batch_key: batch_key, **more)
      end

      def queued_message = QueuedMessage.find_by(server_id: @database.server_id, message_id: id)

      # ---- history

      def deliveries = @database.select(:deliveries, where: { message_id: id }, order: :timestamp).map { |row| Delivery.new(row) }

      def create_delivery(status, code: nil, details: nil, output: nil, sent_with_ssl: false, log_id: nil, time: nil)
        now = Time.now
        row = { message_id: id, status: status, code: code, details: details.to_s[0, 250], output: output.to_s[0, 250],
                sent_with_ssl: sent_with_ssl, log_id: log_id, time: time, timestamp: now.to_f }
        @database.insert(:deliveries, row)
        @database.statistics.increment_all(now, "held") if status == "Held"
        @database.statistics.increment_all(now, "bounces") if %w[Bounced HardFail].include?(status)
        expiry = Postal::Config.postal.default_maximum_hold_expiry_days.days.from_now.to_f if status == "Held"
        update(status: status, last_delivery_attempt: now.to_f, held: status == "Held", hold_expiry: expiry)
        announce(row)
      end

      EVENTS = { "Sent" => "MessageSent", "SoftFail" => "MessageDelayed", "HardFail" => "MessageDeliveryFailed", "Held" => "MessageHeld" }.freeze

      def cancel_hold
        create_delivery("HoldCancelled", details: "The hold has been lifted without any action.") if held?
      end

      def bounce!(bounce)
        create_delivery("Bounced", details: "A bounce for this message has come back, see <msg:#{bounce.id}>.")
        WebhookRequest.trigger(server, "MessageBounced", { original_message: webhook_hash, bounce: bounce.webhook_hash })
      end

      # The messages that a bounce tells of, by the token that each carries.
      def original_messages
        tokens = raw_message.scan(/X-Postal-MsgID:\s*([a-z0-9]+)/i).flatten.uniq
        tokens.empty? ? [] : @database.messages(where: { token: tokens })
      end

      def create_link(url)
        token = SecureRandom.alphanumeric(16)
        @database.insert(:links, message_id: id, token: token, hash: Digest::SHA1.hexdigest(url), url: url, timestamp: Time.now.to_f)
        token
      end

      def webhook_hash
        { id: id, token: token, direction: scope, message_id: message_id, to: rcpt_to, from: mail_from, subject: subject,
          timestamp: timestamp.to_f, spam_status: spam_status, tag: tag }
      end

      private

      def time(name) = @row[name.to_s] && Time.zone.at(@row[name.to_s])
      def truthy(value) = [true, 1].include?(value)
      def part(id) = raw_table && id ? @database.select(raw_table, where: { id: id }, fields: [:data]).first&.fetch("data").to_s : ""

      def body_part(type)
        whole = mail or return nil
        found = whole.multipart? ? (type == "text/plain" ? whole.text_part : whole.html_part) : whole
        return nil unless found && (found.mime_type || "text/plain") == type

        found.decoded
      end

      def store_raw
        self.size = @pending.bytesize
        self.raw_table, self.raw_headers_id, self.raw_body_id = @database.store_raw(@pending)
        @pending = @raw_headers = @raw_body = @headers = nil
        self.subject = headers["subject"]&.last.to_s[0, 200]
        self.message_id = headers["message-id"]&.last.to_s[/<?([^<>\s]+)>?/, 1]
      end

      def create
        @row["timestamp"] ||= Time.now.to_f
        self.status ||= "Pending"
        self.token ||= SecureRandom.alphanumeric(16)
        self.id = @database.insert(:messages, @row.except("id"))
        @database.statistics.increment_all(timestamp, scope)
        global = Statistic.global
        Statistic.where(id: global.id).update_all(["total_messages = total_messages + 1, total_#{scope} = total_#{scope} + 1"])
      end

      def batch_key
        scope == "outgoing" ? "outgoing-#{recipient_domain}" : "incoming-rt:#{route_id}-ep:#{endpoint_id}-#{endpoint_type}"
      end

      def announce(row)
        event = EVENTS[row[:status]] or return
        WebhookRequest.trigger(server, event, { message: webhook_hash, **row.slice(:status, :details, :output, :sent_with_ssl, :timestamp, :time) })
      end
    end

    # One attempt to deliver a message.
    class Delivery
      %w[id status code output details sent_with_ssl log_id time].each { |name| define_method(name) { @row[name] } }

      def initialize(row)
        @row = row
      end

      def timestamp = Time.zone.at(@row["timestamp"])
    end
  end
end
