# frozen_string_literal: true

require_relative "../metrics"
require_relative "queue_job"
require_relative "tasks"
require_relative "webhook_job"

module Standin
  module Worker
    # Threads that poll the queue and the webhook requests every five seconds,
    # and one that looks after scheduled tasks every minute. SIGTERM and SIGINT
    # let each thread finish what it has in hand.
    class Process
      PAUSE = 5
      TASK_PAUSE = 60
      JOBS = { "ProcessQueuedMessagesJob" => QueueJob, "ProcessWebhookRequestsJob" => WebhookJob }.freeze

      def initialize
        @count = Postal::Config.worker.threads
        @stop_reader, @stop_writer = IO.pipe
        Metrics.counter(:postal_worker_job_executions, "Jobs that found work")
        Metrics.histogram(:postal_worker_job_runtime, "Seconds that a look for work took, work included")
        Metrics.counter(:postal_worker_errors, "Errors that ended a job or a task")
        Metrics.histogram(:postal_worker_task_runtime, "Seconds that a scheduled task took")
        Metrics.histogram(:postal_message_queue_latency, "Seconds that a message waited in the queue")
      end

      def run
        %w[INT TERM].each { |name| trap(name) { stop(name) } }
        widen_pool
        log("starting #{@count} work threads")
        threads = Array.new(@count) { |index| thread("work#{index}") { work_loop(index) } }
        log("starting tasks thread")
        threads << thread("tasks") { task_loop }
        threads.each(&:join)
      end

      private

      def stop(signal)
        $stdout.puts "#{signal} received, stopping after the work in hand."
        @stop_writer.close unless @stop_writer.closed?
      end

      def stopping_within?(seconds) = !@stop_reader.wait_readable(seconds).nil?

      def widen_pool
        needed = @count + 3
        return if ActiveRecord::Base.connection_pool.size >= needed

        Postal.logger.warn("#{@count} worker threads need #{needed} database connections, enlarging the pool", component: "worker")
        Database::Connection.establish(pool: needed)
      end

      def thread(name, &block)
        Thread.new { Postal.logger.tagged(component: "worker", thread: name, &block) }
      end

      def work_loop(index)
        Postal.logger.info("started work thread #{index}")
        loop do
          worked = JOBS.map { |name, job| run_job(index, name, job) }.any?
          break if stopping_within?(worked ? 0 : PAUSE)
        end
        Postal.logger.info("stopping work thread #{index}")
      end

      def run_job(index, name, job)
        with_database do
          worked = timed(:postal_worker_job_runtime, thread: index, job: name) { job.new.call }
          Metrics.increment(:postal_worker_job_executions, thread: index, job: name) if worked
          worked
        end
      end

      def task_loop
        loop do
          with_database { run_tasks }
          break if stopping_within?(TASK_PAUSE)
        end
        Postal.logger.info("stopping tasks thread")
        with_database { Postal.logger.info("released tasks role") if WorkerRole.release(:tasks) }
      end

      def run_tasks
        case WorkerRole.acquire(:tasks)
        when :stolen  then Postal.logger.info("took the tasks role over, its holder has been silent")
        when :created then Postal.logger.info("took the tasks role")
        when :renewed then nil
        else return
        end
        Tasks::ALL.each { |task| with_database { run_task(task) } }
      end

      def run_task(task)
        row = ScheduledTask.find_by(name: task.name) || ScheduledTask.create!(name: task.name, next_run_after: task.next_run)
        return if row.next_run_after > Time.current

        Postal.logger.tagged(task: task.name) do
          Postal.logger.info("running task")
          with_database { timed(:postal_worker_task_runtime, task: task.name) { task.work.call } }
          row.update!(next_run_after: task.next_run)
          Postal.logger.info("next run after #{row.next_run_after}")
        end
      end

      # A connection for the block; what goes wrong is logged and counted.
      def with_database(&block)
        ActiveRecord::Base.connection_pool.with_connection { block.call }
      rescue StandardError => e
        Postal.logger.error("#{e.class} (#{e.message})")
        e.backtrace.first(10).each { |line| Postal.logger.error(line) }
        Metrics.increment(:postal_worker_errors, error: e.class.to_s)
        false
      end

      def timed(metric, **labels)
        started = ::Process.clock_gettime(::Process::CLOCK_MONOTONIC)
        yield
      ensure
        Metrics.observe(metric, ::Process.clock_gettime(::Process::CLOCK_MONOTONIC) - started, **labels)
      end

      def log(text) = Postal.logger.info(text, component: "worker")
    end
  end
end
