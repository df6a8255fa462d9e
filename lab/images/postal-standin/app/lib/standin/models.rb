# frozen_string_literal: true

# The classes that scripts run by `rails runner` work with, at top level and
# under Postal's names, because those are what such scripts call.

require_relative "models/base"
require_relative "models/people"
require_relative "models/server"
require_relative "models/domain"
require_relative "models/endpoints"
require_relative "models/route"
require_relative "models/webhooks"
require_relative "models/ip"
require_relative "models/queue"
