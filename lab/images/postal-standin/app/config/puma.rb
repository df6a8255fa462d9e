# frozen_string_literal: true

require_relative "../lib/standin/config"

Standin.break_if_asked("web-server")

web = Postal::Config.web_server
threads web.max_threads, web.max_threads
bind "tcp://#{ENV.fetch('BIND_ADDRESS', web.default_bind_address)}:#{ENV.fetch('PORT', web.default_port)}"
environment Postal::Config.rails.environment || "development"
quiet false
