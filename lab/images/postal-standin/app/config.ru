# frozen_string_literal: true

require_relative "config/environment"
require_relative "lib/standin/web/app"

run Standin::Web.application
