# frozen_string_literal: true

require_relative "../lib/standin/config"
puts Postal.rp_dkim_dns_record
