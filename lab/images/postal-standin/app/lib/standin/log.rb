# frozen_string_literal: true

require "time"

module Standin
  # Log lines of the shape the real processes write:
  #   2026-01-31 12:00:00 +0000 INFO   text key=value key=value
  class Log
    LEVELS = %i[debug info warn error fatal].freeze

    def initialize(io)
      @io = io
      @io.sync = true
    end

    LEVELS.each do |level|
      define_method(level) { |text = nil, **tags| write(level, text, tags) }
    end

    # Adds tags to every line that this thread writes within the block.
    def tagged(**tags)
      outer = thread_tags
      Thread.current[:standin_log_tags] = outer.merge(tags)
      yield
    ensure
      Thread.current[:standin_log_tags] = outer
    end

    private

    def thread_tags
      Thread.current[:standin_log_tags] || {}
    end

    def write(level, text, tags)
      words = tags.merge(thread_tags).compact.map { |key, value| "#{key}=#{value.to_s.gsub("\n", '\n')}" }
      line = "#{Time.now.strftime('%Y-%m-%d %H:%M:%S %z')} #{level.to_s.upcase.ljust(7)}#{[text, *words].compact.join(' ')}"
      @io.syswrite("#{line}\n")
    end
  end
end
