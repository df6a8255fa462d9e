# frozen_string_literal: true

module Standin
  # "Some Name <a@example.org> (note)" -> "a@example.org"
  def self.bare_address(text)
    return nil if text.nil?

    text = text[/<([^>]*)>/, 1] || text
    text.gsub(/\([^)]+\)/, "").strip
  end
end
