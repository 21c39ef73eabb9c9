package main

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// mostDays keeps a number of days within what a duration can hold.
const mostDays = 36500

// momentFrom reads a time, or how long from now it is.
func momentFrom(flag, text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= mostDays {
			return now.AddDate(0, 0, n), nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(d), nil
	}
	return time.Time{}, usageError{fmt.Errorf("%s %q must be from now on, such as 30d or 12h, or a time such as 2030-01-31T00:00:00Z", flag, printable(text))}
}

// connectionTo says how a client connects through the data endpoint at a URL,
// without the key; "" for no URL. A client of @neondatabase/serverless asks
// the host of its connection string with api in place of the first label, and
// needs no setting where that is the endpoint.
func connectionTo(at, tenant string) (string, error) {
	if at == "" {
		return "", nil
	}
	u, err := url.Parse(at)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
		return "", usageError{fmt.Errorf("--url must be a URL such as https://api.db.example.com")}
	}
	domain, derived := strings.CutPrefix(u.Hostname(), "api.")
	if net.ParseIP(domain) != nil {
		domain = "localhost"
	}
	text := fmt.Sprintf("connection string: postgresql://%[1]s:KEY@%[1]s.%[2]s/%[1]s, with the key in place of KEY", tenant, domain)
	if derived && u.Scheme == "https" && u.Port() == "" {
		return text, nil
	}
	return text + fmt.Sprintf("; @neondatabase/serverless needs neonConfig.fetchEndpoint = %q", u.JoinPath("sql").String()), nil
}
