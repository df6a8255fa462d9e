# Creates one admin user. `encoded`: base64 of JSON with email_address, first_name, last_name and
# password; the line that sets it is put in front of this file.
values = JSON.parse(Base64.decode64(encoded))
user = User.find_or_initialize_by(email_address: values["email_address"])
if user.new_record?
  user.assign_attributes(
    first_name: values["first_name"],
    last_name: values["last_name"],
    password: values["password"],
    admin: true,
    email_verified_at: Time.now
  )
  user.save!
end
