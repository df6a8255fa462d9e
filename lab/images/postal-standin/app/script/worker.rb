# frozen_string_literal: true

$stdout.sync = $stderr.sync = true

require_relative "../config/environment"
require_relative "../lib/standin/health_server"
require_relative "../lib/standin/worker/process"

Standin.break_if_asked("worker")
Standin::HealthServer.start("worker", Postal::Config.worker)
Standin::Worker::Process.new.run
