# frozen_string_literal: true

# The whole stand-in but the web application: settings, database, models,
# message databases. What each process adds, it requires itself.

require_relative "standin/config"
require_relative "standin/database/connection"
require "active_support/all"
require "bcrypt"
require "securerandom"

autoload :Mail, "mail" # a fifth of a second, that not every command needs

Time.zone_default = Time.find_zone!("UTC")
ActiveSupport::Inflector.inflections do |inflect|
  %w[DNS HTTP IP SMTP UUID].each { |word| inflect.acronym(word) }
end
ActiveRecord.default_timezone = :utc
ActiveRecord::Base.time_zone_aware_attributes = true
ActiveRecord::Base.belongs_to_required_by_default = true
ActiveRecord::Base.cache_versioning = true
I18n.enforce_available_locales = false

# The little of Rails that scripts written for `rails runner` may touch.
module Rails
  class << self
    def root = Pathname.new(File.expand_path("..", __dir__))
    def env = ActiveSupport::StringInquirer.new(Postal::Config.rails.environment)
    def logger = (@logger ||= Logger.new(File::NULL))
  end
end

require_relative "standin/secret_key"
require_relative "standin/resolver"
require_relative "standin/addresses"
require_relative "standin/messages/database"
require_relative "standin/models"

Standin::Database::Connection.establish
Standin::Database.wait_for_migrations if Postal::Config.migration_waiter.enabled? && $PROGRAM_NAME !~ /ra(ke|ils)\z/
