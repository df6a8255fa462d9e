# frozen_string_literal: true

require "cgi"

module Standin
  module Web
    # What a browser sees: a login form, and behind it one page that shows the
    # organizations, their mail servers and the state of the queue.
    class Pages
      COOKIE = "_postal_session"
      STYLE = <<~CSS
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem; color: #223 }
        label, input { display: block } input { font: inherit; padding: .3rem .5rem; margin-bottom: 1rem; width: 20rem; max-width: 100% }
        button { font: inherit; padding: .3rem 1rem } table { border-collapse: collapse; width: 100% }
        th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ccd } .alert { color: #a11 }
        footer { margin-top: 3rem; font-size: .85rem; color: #667 }
      CSS

      def initialize(request)
        @request = request
        @session = verifier.verified(request.cookies[COOKIE].to_s) || {}
      end

      def answer
        case [@request.request_method, @request.path]
        in ["GET" | "HEAD", "/login"] then login_form
        in ["POST", "/login"]         then login
        in ["DELETE" | "POST", "/logout"] then redirect("/login", {})
        in ["GET" | "HEAD", "/"]      then user ? overview : redirect("/login", @session)
        else page(404, "Not found", "<p>There is nothing here.</p>", @session)
        end
      end

      private

      def verifier
        @verifier ||= ActiveSupport::MessageVerifier.new(Standin.secret_key, digest: "SHA256", serializer: JSON)
      end

      def user = @user ||= @session["user"] && User.find_by(id: @session["user"])

      # ---- login

      def login_form(alert = nil)
        User.exists? # the real page asks the database as well
        token = @session["token"] ||= SecureRandom.alphanumeric(32)
        page(200, "Login", <<~HTML, @session)
          #{%(<p class="alert" role="alert">#{alert}</p>) if alert}
          <form action="/login" method="post">
            <input type="hidden" name="authenticity_token" value="#{token}">
            <input type="hidden" name="return_to" value="#{escape(@request.params['return_to'].to_s)}">
            <label for="email_address">E-mail address</label>
            <input type="email" name="email_address" id="email_address" autocomplete="username" autofocus>
            <label for="password">Password</label>
            <input type="password" name="password" id="password" autocomplete="current-password">
            <button type="submit">Login</button>
          </form>
        HTML
      end

      def login
        given = @request.params
        unless @session["token"] && Rack::Utils.secure_compare(@session["token"], given["authenticity_token"].to_s)
          return page(422, "Rejected", "<p>The form is stale. Load it again.</p>", @session)
        end

        found = User.find_by(email_address: given["email_address"])
        return login_form("The e-mail address or the password is wrong.") unless found&.password_digest && found.authenticate(given["password"].to_s)

        target = given["return_to"].to_s
        redirect(target.match?(%r{\A/(?!/)}) ? target : "/", { "user" => found.id })
      end

      # ---- overview

      def overview
        organizations = user.admin? ? Organization.present : user.organizations.present
        rows = organizations.order(:name).flat_map { |organization| organization.servers.present.order(:name).map { |server| row(organization, server) } }
        queue = QueuedMessage.all
        page(200, "Organizations", <<~HTML, @session)
          <p>#{escape(user.name)} &lt;#{escape(user.email_address)}&gt;</p>
          <p>Queue: #{queue.count} in all, #{queue.unlocked.ready.count} ready, #{queue.where.not(locked_at: nil).count} locked.</p>
          <table><thead><tr><th>Organization<th>Server<th>Mode<th>Domains<th>Messages<th>Held<th>Queued</tr></thead>
          <tbody>#{rows.join}</tbody></table>
          <form action="/logout" method="post"><p><button type="submit">Logout</button></p></form>
        HTML
      end

      def row(organization, server)
        database = server.message_db
        cells = [organization.name, server.name, server.status, server.domains.pluck(:name).join(", "),
                 database.select(:messages, count: true), server.held_messages, server.queued_messages.count]
        "<tr>#{cells.map { |cell| "<td>#{escape(cell.to_s)}</td>" }.join}</tr>"
      end

      # ---- answers

      def escape(text) = CGI.escapeHTML(text)

      def page(status, title, body, session)
        html = <<~HTML
          <!doctype html>
          <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
          <title>#{title}</title><style>#{STYLE}</style></head>
          <body><h1>#{title}</h1>
          #{body}
          <footer>Postal stand-in for the mailfleet lab. It answers as Postal #{escape(Postal.version)} and is not Postal.</footer>
          </body></html>
        HTML
        [status, { "content-type" => "text/html; charset=utf-8", **cookie(session) }, [html]]
      end

      def redirect(path, session)
        [302, { "location" => "#{@request.base_url}#{path}", "content-type" => "text/html; charset=utf-8", **cookie(session) }, [""]]
      end

      def cookie(session)
        return {} if session.nil?

        { "set-cookie" => "#{COOKIE}=#{CGI.escape(verifier.generate(session))}; path=/; HttpOnly; SameSite=Lax" }
      end
    end
  end
end
