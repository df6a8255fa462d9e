# frozen_string_literal: true

require "base64"
require "digest"
require "openssl"

module Standin
  # An RSA key in its three uses: a DKIM record, signatures, a JSON Web Key.
  class Signer
    attr_reader :private_key

    def initialize(private_key)
      @private_key = private_key
    end

    def dkim_record
      "v=DKIM1; t=s; h=sha256; p=#{Base64.strict_encode64(@private_key.public_to_der)};"
    end

    def sign64(data, digest = "SHA256")
      Base64.strict_encode64(@private_key.sign(digest, data))
    end

    def key_id
      numbers = [@private_key.n, @private_key.e].map { |number| OpenSSL::ASN1::Integer.new(number) }
      Digest::SHA256.hexdigest(OpenSSL::ASN1::Sequence.new(numbers).to_der)
    end

    def jwk
      { kty: "RSA", n: number(@private_key.n), e: number(@private_key.e), use: "sig", alg: "RS256", kid: key_id }
    end

    private

    def number(value)
      Base64.urlsafe_encode64(value.to_s(2), padding: false)
    end
  end
end
