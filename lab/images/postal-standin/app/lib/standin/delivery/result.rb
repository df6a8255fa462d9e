# frozen_string_literal: true

module Standin
  module Delivery
    # How one attempt ended. retry: true, or seconds until the next.
    Result = Struct.new(:type, :details, :output, :retry, :secure, :log_id, :time, :connect_error, :quiet, keyword_init: true)
  end
end
