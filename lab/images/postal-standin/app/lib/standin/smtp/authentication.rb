# frozen_string_literal: true

module Standin
  module SMTP
    # AUTH PLAIN and LOGIN take any user name, the password being a credential's
    # key; CRAM-MD5 takes org/server.
    module Authentication
      private

      # Lines that carry a password do not go to the log in the clear.
      def secret?(line)
        line.match?(/\AAUTH (PLAIN|LOGIN) \S/i) || @reply_to_line.to_s.start_with?("auth_")
      end

      def auth_plain(line)
        count("AUTH PLAIN")
        given = line.sub(/\AAUTH PLAIN ?/i, "").strip
        return auth_plain_line(given) unless given.empty?

        @reply_to_line = :auth_plain_line
        "334"
      end

      def auth_plain_line(line, *)
        @reply_to_line = nil
        *, user, password = Base64.decode64(line).split("\0")
        return refuse("missing-credentials", "535 Authenticated failed - protocol error") unless user && password

        check_key(password)
      end

      def auth_login(line)
        count("AUTH LOGIN")
        given = line.sub(/\AAUTH LOGIN ?/i, "").strip
        return auth_login_user(given) unless given.empty?

        @reply_to_line = :auth_login_user
        "334 VXNlcm5hbWU6"
      end

      def auth_login_user(*)
        @reply_to_line = :auth_login_password
        "334 UGFzc3dvcmQ6"
      end

      def auth_login_password(line, *)
        @reply_to_line = nil
        check_key(Base64.decode64(line))
      end

      def check_key(key)
        @credential = Credential.find_by(type: "SMTP", key: key.dup.force_encoding("UTF-8").scrub)
        return granted if @credential

        Postal.logger.warn("Authentication failure for #{@address}")
        refuse("invalid-credentials", "535 Invalid credential")
      end

      def auth_cram_md5
        count("AUTH CRAM-MD5")
        @challenge = "<#{SecureRandom.hex(10)}@#{hostname}>"
        @reply_to_line = :auth_cram_md5_answer
        "334 #{Base64.strict_encode64(@challenge)}"
      end

      def auth_cram_md5_answer(line, *)
        @reply_to_line = nil
        user, digest = Base64.decode64(line).split(" ", 2).map(&:chomp)
        org, name = user.to_s.split(%r{[/_]}, 2)
        server = ::Server.joins(:organization).find_by(permalink: name, organizations: { permalink: org })
        @credential = server&.credentials&.where(type: "SMTP")&.find { |one| OpenSSL::HMAC.hexdigest("MD5", one.key, @challenge) == digest }
        return granted if @credential

        Postal.logger.warn("Authentication failure for #{@address}")
        refuse("invalid-credentials", "535 Denied")
      end

      def granted
        @credential.use
        "235 Granted for #{@credential.server.full_permalink}"
      end
    end
  end
end
