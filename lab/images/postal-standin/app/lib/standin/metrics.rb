# frozen_string_literal: true

module Standin
  # Counters and histograms in Prometheus' text format, names and labels being
  # those of Postal's processes.
  module Metrics
    BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10].freeze
    Metric = Struct.new(:name, :type, :help, :values)

    @metrics = {}
    @lock = Mutex.new

    class << self
      def counter(name, help, labelled: true)
        @metrics[name] = Metric.new(name, "counter", help, labelled ? {} : { {} => 0.0 })
      end

      def histogram(name, help)
        @metrics[name] = Metric.new(name, "histogram", help, {})
      end

      def increment(name, **labels)
        @lock.synchronize do
          values = @metrics[name]&.values or return
          values[labels] = values.fetch(labels, 0.0) + 1
        end
      end

      def observe(name, value, **labels)
        @lock.synchronize do
          values = @metrics[name]&.values or return
          seen = (values[labels] ||= { sum: 0.0, count: 0.0, buckets: Array.new(BUCKETS.size, 0.0) })
          seen[:sum] += value
          seen[:count] += 1
          BUCKETS.each_with_index { |limit, index| seen[:buckets][index] += 1 if value <= limit }
        end
      end

      def text
        @lock.synchronize do
          @metrics.values.flat_map do |metric|
            ["# TYPE #{metric.name} #{metric.type}", "# HELP #{metric.name} #{metric.help}", *metric.values.flat_map { |labels, value| samples(metric, labels, value) }]
          end.join("\n") << "\n"
        end
      end

      private

      def samples(metric, labels, value)
        return [line(metric.name, labels, value)] if metric.type == "counter"

        counts = BUCKETS.zip(value[:buckets]).map { |limit, count| line("#{metric.name}_bucket", labels.merge(le: limit), count) }
        counts << line("#{metric.name}_bucket", labels.merge(le: "+Inf"), value[:count])
        counts << line("#{metric.name}_sum", labels, value[:sum]) << line("#{metric.name}_count", labels, value[:count])
      end

      def line(name, labels, value)
        inside = labels.map { |key, text| %(#{key}="#{text.to_s.gsub('\\', '\\\\\\\\').gsub('"', '\"').gsub("\n", '\n')}") }.join(",")
        "#{name}#{"{#{inside}}" unless inside.empty?} #{value}"
      end
    end
  end
end
