package adminapi

import "io"

// EventsOf reads a stream and returns what its events say, as "name id data".
func EventsOf(from io.Reader) (texts []string, err error) {
	for e, err := range events(from) {
		if err != nil {
			return texts, err
		}
		texts = append(texts, e.name+" "+e.id+" "+e.data)
	}
	return texts, nil
}
