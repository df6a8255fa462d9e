# frozen_string_literal: true

module Standin
  # rails.secret_key signs sessions. Without one each process makes its own, and
  # sessions end with it.
  def self.secret_key
    @secret_key ||= Postal::Config.rails.secret_key || begin
      warn "rails.secret_key is not set: sessions will end with this process"
      SecureRandom.hex(128)
    end
  end
  secret_key
end
