# frozen_string_literal: true

module Standin
  # A release that does not work, for tests of what happens then:
  # POSTAL_STANDIN_BREAK names the commands that fail, separated by commas:
  # web-server, smtp-server, worker, upgrade.
  def self.break_if_asked(command)
    return unless ENV["POSTAL_STANDIN_BREAK"].to_s.split(/\s*,\s*/).include?(command)

    raise "#{command} is broken on purpose (POSTAL_STANDIN_BREAK) in this release #{Postal.version}"
  end
end
