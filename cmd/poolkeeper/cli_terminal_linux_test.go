package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"
)

// terminal is a program at a terminal of its own.
type terminal struct {
	output
	keys *os.File // what somebody types, and where the program's output comes from
}

// shell runs a program, as people's shells do, and says how it ended. It stays:
// when the first process of a terminal ends, the kernel throws away what was
// written and not yet read.
const shell = `trap : INT; "$0" "$@"; echo "exit code $?"; exec sleep 3600`

// exitCode is the shell's last line.
var exitCode = regexp.MustCompile(`exit code (\d+)\r?\n$`)

func ioctl(t *testing.T, file *os.File, request uintptr, value *uint32) {
	t.Helper()
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
		t.Skip("no pseudo-terminals here: ", errno)
	}
}

// atTerminal runs a command line against an API at a terminal of 80 columns.
func atTerminal(t *testing.T, api http.Handler, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals here: ", err)
	}
	var number, unlocked uint32
	ioctl(t, master, syscall.TIOCSPTLCK, &unlocked)
	ioctl(t, master, syscall.TIOCGPTN, &number)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	size := [2]uint32{40 | 80<<16}
	ioctl(t, slave, syscall.TIOCSWINSZ, &size[0])
	server := httptest.NewServer(api)
	term := &terminal{keys: master}
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-c", shell, os.Args[0]}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(os.Environ(), programEnv+"=1", "POOLKEEPER_SERVER="+server.URL, "NO_COLOR=", "TERM=xterm")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close() // the program has it
	var read sync.WaitGroup
	read.Go(func() { _, _ = master.WriteTo(&term.output) })
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		read.Wait()
		_ = master.Close()
		server.Close()
	})
	return term
}

// types waits for a text, and types what answers it.
func (term *terminal) types(t *testing.T, prompt, keys string) {
	t.Helper()
	within(t, patience, prompt, func() bool { return strings.Contains(term.String(), prompt) })
	if _, err := term.keys.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// end returns the exit code and all that stood on the terminal.
func (term *terminal) end(t *testing.T) (int, string) {
	t.Helper()
	within(t, patience, "the program's end", func() bool { return exitCode.MatchString(term.String()) })
	screen := term.String()
	at := exitCode.FindStringSubmatchIndex(screen)
	code, err := strconv.Atoi(screen[at[2]:at[3]])
	if err != nil {
		t.Fatal(err)
	}
	return code, screen[:at[0]]
}

// recorded counts what is asked of an API.
type recorded struct {
	fakeAdmin
	mu    sync.Mutex
	asked []string // guarded by mu
}

func (r *recorded) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.asked = append(r.asked, req.Method)
	r.mu.Unlock()
	r.fakeAdmin.ServeHTTP(w, req)
}

func TestADeletionWantsTheIDTypedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys, want string
		code       int
	}{
		{"acme\n", "acme is deleted", exitOK},
		{"yes\n", "that is not the id; nothing was deleted", exitFailed},
		{"\n", "that is not the id; nothing was deleted", exitFailed},
		{"\x04", "that is not the id; nothing was deleted", exitFailed},
		{"\x03", "stopped; nothing was deleted", exitFailed},
	} {
		t.Run(fmt.Sprintf("%q", c.keys), func(t *testing.T) {
			t.Parallel()
			api := &recorded{fakeAdmin: answers()}
			term := atTerminal(t, api, "tenant", "delete", "acme")
			term.types(t, "Type acme to go on: ", c.keys)
			code, screen := term.end(t)
			if code != c.code || !strings.Contains(screen, c.want) || !strings.Contains(screen, "schema acme, login acme_login on cluster main") {
				t.Errorf("%d\n%s", code, screen)
			}
			if deleted := strings.Contains(strings.Join(api.asked, " "), "DELETE"); deleted != (c.code == exitOK) {
				t.Errorf("%v", api.asked)
			}
		})
	}
}

func TestWhoForgetsATenantIsToldThatItsDataStays(t *testing.T) {
	t.Parallel()
	term := atTerminal(t, answers(), "tenant", "delete", "acme", "--forget")
	term.types(t, "Type acme to go on: ", "acme\n")
	code, screen := term.end(t)
	if code != exitOK || !strings.Contains(screen, "STAY") || !strings.Contains(screen, "acme is forgotten") || strings.Contains(screen, "drops") {
		t.Errorf("%d\n%s", code, screen)
	}
}

func TestWhoDeletesATenantThatIsNotThereIsNotAsked(t *testing.T) {
	t.Parallel()
	api := fakeAdmin{"GET /tenants/acme": problem(404, "tenant_unknown", "None", "")}
	if code, screen := atTerminal(t, api, "tenant", "delete", "acme").end(t); code != exitUnknown || strings.Contains(screen, "Type") {
		t.Errorf("%d\n%s", code, screen)
	}
}

func TestAPlanIsColoredAndAskedFor(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir()+"/t.yaml", "tenants: {}")
	for keys, want := range map[string]string{"yes\n": "added", "y\n": "nothing was changed"} {
		term := atTerminal(t, answers(), "apply", "-f", file)
		term.types(t, `Only "yes" goes on: `, keys)
		_, screen := term.end(t)
		if !strings.Contains(screen, "\x1b[32m+\x1b[0m umbrella") || !strings.Contains(screen, want) {
			t.Errorf("%q:\n%s", keys, screen)
		}
	}
}

func TestProgressIsABarOnATerminal(t *testing.T) {
	t.Parallel()
	code, screen := atTerminal(t, answers(), "migrate", "up").end(t)
	if code != exitPartly || !strings.Contains(screen, "(3/3)") || !strings.Contains(screen, "migrate (1 failed)") {
		t.Errorf("%d\n%q", code, screen)
	}
	if after := screen[strings.LastIndex(screen, wipe):]; strings.Contains(after, "/3)") || !strings.Contains(after, "2 tenants migrated, 1 failed") {
		t.Errorf("the bar is left on the screen: %q", after)
	}
}

func TestWhoStopsWaitingIsToldThatTheWorkGoesOn(t *testing.T) {
	t.Parallel()
	api := answers()
	left := make(chan struct{})
	term := atTerminal(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/events") {
			api.ServeHTTP(w, r)
			return
		}
		_, _ = fmt.Fprint(w, events(fakeMigration("running", 1, "")))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}), "migrate", "up")
	term.types(t, "(1/3)", "\x03")
	code, screen := term.end(t)
	if code != exitFailed || !strings.Contains(screen, "stopped waiting; operation 0000000042 goes on: poolkeeper operations watch 0000000042") {
		t.Errorf("%d\n%s", code, screen)
	}
	<-left
}

func TestTheDoctorsParagraphsFitTheTerminal(t *testing.T) {
	t.Parallel()
	long := strings.TrimSpace(strings.Repeat("word ", 60))
	api := fakeAdmin{"POST /doctor": `200 {"findings":[{"severity":"warning","subject":"x","message":"` + long + `"}],"checked":[]}`}
	_, screen := atTerminal(t, api, "doctor").end(t)
	for line := range strings.Lines(screen) {
		if len(strings.TrimRight(line, "\r\n")) > 80 {
			t.Errorf("%d columns: %s", len(line), line)
		}
	}
	if strings.Count(screen, "word") != 60 {
		t.Error(screen)
	}
}
