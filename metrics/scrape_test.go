package metrics_test

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/poolkeeper/poolkeeper/server"
)

// TestTheScrapeExampleFitsTheServer reads the example as Prometheus would.
func TestTheScrapeExampleFitsTheServer(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../deploy/prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Global  map[string]string `yaml:"global"`
		Rules   []string          `yaml:"rule_files"`
		Scrapes []struct {
			Job       string   `yaml:"job_name"`
			Path      string   `yaml:"metrics_path"`
			Native    bool     `yaml:"scrape_native_histograms"`
			Classic   bool     `yaml:"always_scrape_classic_histograms"`
			Protocols []string `yaml:"scrape_protocols"`
			Limit     int      `yaml:"sample_limit"`
			Static    []struct {
				Targets []string `yaml:"targets"`
			} `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	in := yaml.NewDecoder(bytes.NewReader(data))
	in.KnownFields(true)
	if err := in.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Scrapes) != 1 {
		t.Fatalf("%d jobs", len(file.Scrapes))
	}
	for _, name := range file.Rules {
		if _, err := os.Stat(filepath.Join("../deploy/prometheus", name)); err != nil {
			t.Error(err)
		}
	}
	if len(file.Rules) != 1 {
		t.Errorf("rule files %v", file.Rules)
	}
	job := file.Scrapes[0]
	if job.Job != "poolkeeper" || job.Path != "/metrics" || !job.Native || !job.Classic || job.Protocols[0] != "PrometheusProto" {
		t.Errorf("%+v", job)
	}
	_, port, err := net.SplitHostPort(server.Defaults().AdminListen)
	if err != nil {
		t.Fatal(err)
	}
	if _, got, err := net.SplitHostPort(job.Static[0].Targets[0]); err != nil || got != port {
		t.Errorf("target %s, but the admin listener is on %s", job.Static[0].Targets[0], server.Defaults().AdminListen)
	}
}
