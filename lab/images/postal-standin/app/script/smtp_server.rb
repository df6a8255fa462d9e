# frozen_string_literal: true

$stdout.sync = $stderr.sync = true

require_relative "../config/environment"
require_relative "../lib/standin/health_server"
require_relative "../lib/standin/smtp/server"

Standin.break_if_asked("smtp-server")
Standin::HealthServer.start("smtp-server", Postal::Config.smtp_server)
Standin::SMTP::Server.new.run
