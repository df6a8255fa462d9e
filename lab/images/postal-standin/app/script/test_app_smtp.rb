# frozen_string_literal: true

# Sends one message with the settings of the group smtp. rc 0 whatever happens,
# as the real command.

address = ARGV.first
unless address.to_s.include?("@")
  puts "usage: postal test-app-smtp [email address]"
  exit 1
end

require_relative "../config/environment"
require "net/smtp"
require "timeout"

smtp = Postal::Config.smtp
mail = Mail.new(
  from: "#{smtp.from_name} <#{smtp.from_address}>", to: address,
  subject: "Postal test message",
  body: "This message shows that #{Postal::Config.postal.web_hostname} can send its own mail."
)

begin
  Timeout.timeout(10) do
    client = Net::SMTP.new(smtp.host, smtp.port)
    context = OpenSSL::SSL::SSLContext.new
    context.verify_mode = smtp.openssl_verify_mode == "none" ? OpenSSL::SSL::VERIFY_NONE : OpenSSL::SSL::VERIFY_PEER
    context.cert_store = OpenSSL::X509::Store.new.tap(&:set_default_paths)
    if smtp.enable_starttls?
      client.enable_starttls(context)
    elsif smtp.enable_starttls_auto?
      client.enable_starttls_auto(context)
    else
      client.disable_starttls
    end
    login = smtp.username ? [smtp.username, smtp.password, smtp.authentication_type&.to_sym || :plain] : []
    client.start(Postal::Config.postal.web_hostname, *login) do |session|
      session.send_message(mail.to_s, smtp.from_address, address)
    end
  end
  puts "\e[32mSent.\e[0m"
rescue Timeout::Error
  puts "Not sent: no answer within 10 seconds"
rescue StandardError => e
  puts "\e[31mNot sent.\e[0m"
  puts "Error: #{e.class} (#{e.message})"
  puts
  { "Host" => smtp.host, "Port" => smtp.port, "Username" => smtp.username, "Password" => smtp.password }
    .each { |name, value| puts "  SMTP #{name}: #{value}" }
end
