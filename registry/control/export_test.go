package control

import "time"

// NoteUsesEvery has uses of keys written so often instead of once a minute;
// call it before Load.
func (d *Database) NoteUsesEvery(t time.Duration) { d.notedEvery = t }
