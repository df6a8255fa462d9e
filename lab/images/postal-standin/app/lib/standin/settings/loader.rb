# frozen_string_literal: true

require "cgi"
require "ipaddr"
require "uri"
require "yaml"
require_relative "legacy"
require_relative "schema"

module Standin
  module Settings
    # Reads settings as Postal 3.3 does, its silences included: unknown keys are
    # passed over, an integer is whatever to_i makes of the text, true is only
    # what is spelt true or 1, an empty string is nothing, and a group without
    # content (or an empty file) ends the start with NoMethodError.
    class Loader
      Relay = Struct.new(:host, :port, :ssl_mode)

      # One group of settings: a reader for each key, with ? for booleans.
      class Group
        def initialize(values)
          values.each do |key, value|
            define_singleton_method(key) { value }
            define_singleton_method("#{key}?") { value ? true : false }
          end
        end
      end

      def initialize(path:, env:)
        @path = path
        @env = env
      end

      def load
        file = read_file
        groups = Schema::ENTRIES.group_by(&:group).map do |name, entries|
          [name, Group.new(entries.to_h { |entry| [entry.key, value_of(entry, file)] })]
        end
        Group.new(groups.to_h)
      end

      private

      def read_file
        unless File.file?(@path)
          say "No configuration file found at #{@path}"
          say "Only using environment variables for configuration"
          return {}
        end
        say "Loading config from #{@path}"
        document = YAML.safe_load(File.read(@path))
        case document["version"] || 1
        when 2
          document
        when 1
          say "WARNING: legacy configuration file (it has no `version: 2`), read as far as version 2 knows its keys"
          Legacy.translate(document)
        else
          raise "#{@path}: the version is neither 1 nor 2"
        end
      end

      def value_of(entry, file)
        name = "#{entry.group}_#{entry.key}".upcase
        if @env.key?(name)
          raw = @env[name]
          raw = raw.split(/\s*,\s*/) if entry.list
        elsif file.key?(entry.group) && file[entry.group].key?(entry.key) # nil.key? is the crash of an empty group
          raw = file[entry.group][entry.key]
        else
          raw = entry.default
        end
        entry.list ? Array(raw).map { |item| cast(entry.type, item) } : cast(entry.type, raw)
      end

      def cast(type, raw)
        return nil if raw.nil? || raw == ""

        case type
        when "integer" then raw.to_i
        when "boolean" then %w[true 1 1.0].include?(raw.to_s)
        when "path"    then raw.to_s.gsub(/\$config-file-root/i, File.dirname(@path))
        when "network" then IPAddr.new(raw)
        when "relay"   then relay(raw)
        else raw.to_s
        end
      end

      # Without smtp:// the host becomes the scheme of the URI, the relay has no
      # host, and is dropped when mail is sent.
      def relay(text)
        uri = URI.parse(text)
        modes = uri.query ? CGI.parse(uri.query)["ssl_mode"] : nil
        Relay.new(uri.host, uri.port || 25, modes&.first || "Auto")
      end

      def say(text)
        warn text unless @env["SILENCE_POSTAL_CONFIG_MESSAGES"] == "true"
      end
    end
  end
end
