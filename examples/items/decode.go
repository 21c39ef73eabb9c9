package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

// The bounds of an item, in bytes.
const (
	maxBody        = 64 << 10
	maxName        = 200
	maxDescription = 10_000
)

// decode reads exactly one item. What the client sent is not repeated in the
// error.
func decode(body io.Reader) (item, error) {
	var got struct {
		ID          *int64 `json:"id"`
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	if err := decodeOnly(body, &got); err != nil {
		return item{}, err
	}
	switch {
	case got.ID == nil || got.Name == "":
		return item{}, badRequest("id and name are needed")
	case len(got.Name) > maxName || len(got.Description) > maxDescription:
		return item{}, badRequest("name may have 200 bytes, description 10000")
	case strings.ContainsRune(got.Name, 0) || strings.ContainsRune(got.Description, 0):
		return item{}, badRequest("text must not contain the character U+0000")
	}
	return item{ID: *got.ID, Name: got.Name, Description: got.Description}, nil
}

// decodeOnly decodes a body that is one JSON object and nothing else.
func decodeOnly(body io.Reader, into any) error {
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return refusal{http.StatusRequestEntityTooLarge, "the body may have 64 KiB"}
	}
	return badRequest(`the body must be one JSON object: {"id": 1, "name": "...", "description": "..."}`)
}
