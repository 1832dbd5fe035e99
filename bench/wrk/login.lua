-- A sign-in: one argon2id hash and a session.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"username":"load@example.com","password":"correct horse 1"}'
