# frozen_string_literal: true

# Asks for a global admin, line by line. As the real command, it ends with rc 0
# even when the answers make no valid user: look at the text, not at the rc.

trap("INT") { puts; exit }

require_relative "../config/environment"
require "io/console"

def ask(label, hidden: false)
  print "#{label.ljust(18)}: "
  answer = hidden && $stdin.tty? ? $stdin.noecho(&:gets).tap { puts } : $stdin.gets
  answer.to_s.chomp
end

puts "A new global admin."
user = User.new(
  email_address: ask("E-mail address"),
  first_name: ask("First name"),
  last_name: ask("Last name"),
  password: ask("Initial password", hidden: true),
  admin: true,
  email_verified_at: Time.now
)
puts
if user.save
  puts "\e[32m#{user.email_address} is an admin now\e[0m"
else
  puts "\e[31mNo user was made\e[0m"
  user.errors.full_messages.each { |line| puts " * #{line}" }
end
