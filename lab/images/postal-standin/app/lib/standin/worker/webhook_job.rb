# frozen_string_literal: true

require "json"
require_relative "../delivery/http_client"

module Standin
  module Worker
    # Posts one webhook request that is due. true when there was one.
    class WebhookJob
      WAITS = [nil, 2, 3, 6, 10, 15].freeze # minutes after each attempt

      def call
        request = lock or return false
        Postal.logger.tagged(webhook: request.webhook_id, webhook_request: request.id) { work(request) }
        true
      end

      private

      def lock
        holder = Postal.locker_name(SecureRandom.hex(8))
        found = WebhookRequest.unlocked.ready.limit(1).update_all(locked_by: holder, locked_at: Time.current)
        found.positive? ? WebhookRequest.find_by(locked_by: holder) : nil
      end

      def work(request)
        payload = request.payload
        body = { event: request.event, timestamp: request.created_at.to_f, payload: payload, uuid: request.uuid }.to_json
        answer = Delivery::HTTPClient.post(request.url, body: body, type: "application/json", timeout: 5)
        good = (200..299).cover?(answer.code)
        request.attempts += 1
        wait = good ? nil : WAITS[request.attempts]
        request.server.message_db.insert(:webhook_requests, event: request.event, url: request.url, webhook_id: request.webhook_id,
                                         attempt: request.attempts, timestamp: Time.now.to_f, payload: payload.to_json, uuid: request.uuid,
                                         status_code: answer.code, body: answer.body, will_retry: !wait.nil?)
        Postal.logger.public_send(good ? :info : :error, "#{request.url} answered #{answer.code}")
        request.webhook&.update_column(:last_used_at, Time.current) if good
        return request.destroy! if wait.nil?

        request.update!(locked_by: nil, locked_at: nil, retry_after: wait.minutes.from_now,
                        error: "#{answer.code} from #{request.url}")
      end
    end
  end
end
