# frozen_string_literal: true

require_relative "../lib/standin/config"
puts Postal.version
