# frozen_string_literal: true

module Standin
  # rails.secret_key signs sessions. Without one each process makes its own, and
  # sessions end with it.
  def self.secret_key
    @secret_key ||= Postal::Config.rails.secret_key || begin
      warn "No secret key was specified in the Postal config file. Using one for just this session"
      SecureRandom.hex(128)
    end
  end
  secret_key
end
