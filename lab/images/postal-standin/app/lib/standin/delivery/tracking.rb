# frozen_string_literal: true

module Standin
  module Delivery
    # Rewrites links, and adds a picture, in HTML parts of messages whose domain
    # has a tracking domain that DNS confirms. Only parts sent as 7bit or 8bit
    # are touched.
    class Tracking
      def initialize(message)
        @message = message
      end

      def apply
        return if @message.parsed.to_i == 1 || @message.parsed == true || @message.headers["x-amp"]&.last == "skip"

        @links = @images = 0
        @track = TrackDomain.ok.find_by(server_id: @message.database.server_id, domain_id: @message.domain_id)
        rewrite if @track
        @message.update(parsed: 1, tracked_links: @links, tracked_images: @images)
      end

      private

      def base = "#{@track.ssl_enabled ? 'https' : 'http'}://#{@track.full_name}"

      def rewrite
        mail = Mail.new(@message.raw_message)
        part = mail.multipart? ? mail.html_part : (mail if mail.mime_type == "text/html")
        return if part.nil?

        html = part.decoded
        html = html.gsub(/(<a\b[^>]*?\bhref=)(["'])(https?(?:\+notrack)?:[^"']+)\2/i) { "#{$1}#{$2}#{link($3)}#{$2}" } if @track.track_clicks
        html = with_pixel(html) if @track.track_loads
        return if (@links + @images).zero?

        part.body = html
        head, body = mail.to_s.split(/\r?\n\r?\n/, 2)
        @message.replace_raw(head, body)
      end

      def link(url)
        return url.sub("+notrack", "") if url.match?(/\Ahttps?\+notrack:/i)
        return url if @track.excluded_click_domains_array.include?(url[%r{\Ahttps?://([^/:?]+)}i, 1])

        @links += 1
        "#{base}/#{@message.server.token}/#{@message.create_link(CGI.unescapeHTML(url))}"
      end

      def with_pixel(html)
        @images += 1
        picture = %(<p class="ampimg" style="display:none"><img src="#{base}/img/#{@message.server.token}/#{@message.token}" alt=""></p>)
        html.include?("</body>") ? html.sub("</body>", "#{picture}</body>") : html + picture
      end
    end
  end
end
