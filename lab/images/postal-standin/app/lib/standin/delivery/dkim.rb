# frozen_string_literal: true

require "base64"
require "digest"
require "openssl"

module Standin
  module Delivery
    # A DKIM-Signature header (RFC 6376, rsa-sha256, relaxed/relaxed). The
    # domain's own key signs only once its record has been seen in DNS; before
    # that the installation's key signs for the return path domain.
    class DKIM
      SIGNED = %w[
        from sender reply-to subject date message-id to cc mime-version content-type content-transfer-encoding
        resent-to resent-cc resent-from resent-sender resent-message-id in-reply-to references
        list-id list-help list-owner list-unsubscribe list-unsubscribe-post list-subscribe list-post
      ].freeze

      def initialize(domain, raw)
        if domain.dkim_status == "OK"
          @name = domain.name
          @selector = domain.dkim_identifier
          @key = domain.dkim_key
        else
          @name = Postal::Config.dns.return_path_domain
          @selector = Postal::Config.dns.dkim_identifier
          @key = Postal.signer.private_key
        end
        @head, @body = raw.b.gsub(/\r?\n/n, "\r\n").split("\r\n\r\n", 2)
      end

      def header
        tags = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=#{@name}; s=#{@selector}; t=#{Time.now.to_i}; " \
               "bh=#{body_hash}; h=#{signed.map(&:first).join(':')}; b="
        data = [*signed.map { |name, value| "#{name}:#{value}" }, "dkim-signature:#{tags}"].join("\r\n")
        signature = Base64.strict_encode64(@key.sign("SHA256", data))
        "DKIM-Signature: #{tags.gsub('; ', ";\r\n\t")}#{signature.scan(/.{1,72}/).join("\r\n\t")}"
      end

      private

      # [name, value], as relaxed canonicalization wants them. A repeated field
      # is signed from the last one upwards.
      def signed
        @signed ||= begin
          unfolded = @head.to_s.gsub(/\r\n(?=[ \t])/n, "").split("\r\n")
          fields = unfolded.filter_map do |line|
            name, value = line.split(":", 2)
            [name.strip.downcase, value.gsub(/[ \t]+/n, " ").strip] if value && SIGNED.include?(name.strip.downcase)
          end
          fields.group_by(&:first).values.flat_map(&:reverse)
        end
      end

      def body_hash
        lines = @body.to_s.gsub(/[ \t]+/n, " ").gsub(/ (?=\r\n|\z)/n, "").sub(/(\r\n)*\z/n, "")
        lines += "\r\n" unless lines.empty?
        Base64.strict_encode64(Digest::SHA256.digest(lines))
      end
    end
  end
end
