package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/poolkeeper/poolkeeper/pools"
	"github.com/poolkeeper/poolkeeper/registry"
)

// clusterView is a cluster as the admin API shows it: the numbers of its
// budget, and the settings in force that lead to them.
type clusterView struct {
	pools.BudgetStat
	Settings map[string]json.RawMessage `json:"settings"`
}

// clusterList is the answer of GET /v1/clusters.
type clusterList struct {
	Clusters []clusterView `json:"clusters"`
}

// clusterKnobs are the settings of c that an operator may change, within the
// bounds that the configuration has too.
func clusterKnobs(c *registry.Cluster) []knob {
	return []knob{
		{name: "budget", value: &c.Budget, least: 1, most: 100_000, zero: `"auto"`, otherwise: `, or "auto" to derive it from the server`},
		{name: "margin", value: &c.Margin, least: 0, most: 10_000},
		{name: "replicas", value: &c.Replicas, least: 1, most: 1000},
		{name: "dials", value: &c.Dials, least: 1, most: 1000},
		{name: "queue", value: &c.Queue, least: 1, most: 1_000_000},
		{name: "spares", value: &c.Spares, least: 0, most: 1000},
	}
}

// listClusters answers GET /v1/clusters: every cluster with its budget.
func (s *Server) listClusters(c *gin.Context) {
	list := clusterList{Clusters: []clusterView{}} // [] and not null
	for _, b := range s.deps.Keeper.Budgets() {
		if settings, known := s.deps.Keeper.Cluster(b.Cluster); known {
			list.Clusters = append(list.Clusters, clusterViewOf(b, settings))
		}
	}
	writeJSON(c, http.StatusOK, list)
}

// showCluster answers GET /v1/clusters/{name}.
func (s *Server) showCluster(c *gin.Context) {
	view, err := s.cluster(c.Param("name"))
	if err != nil {
		s.refuse(c, err)
		return
	}
	writeJSON(c, http.StatusOK, view)
}

func (s *Server) cluster(name string) (clusterView, error) {
	settings, known := s.deps.Keeper.Cluster(name)
	budgets := s.deps.Keeper.Budgets()
	i := slices.IndexFunc(budgets, func(b pools.BudgetStat) bool { return b.Cluster == name })
	if !known || i < 0 {
		return clusterView{}, errNoCluster
	}
	return clusterViewOf(budgets[i], settings), nil
}

// clusterViewOf shows only what can be changed of the settings: a cluster has
// secrets too.
func clusterViewOf(b pools.BudgetStat, settings registry.Cluster) clusterView {
	v := clusterView{BudgetStat: b, Settings: map[string]json.RawMessage{}}
	for _, k := range clusterKnobs(&settings) {
		v.Settings[k.name] = json.RawMessage(k.text())
	}
	return v
}

// changeCluster answers PATCH /v1/clusters/{name}: the settings in the body
// are in force from now on, until the configuration is reloaded with others
// or the program ends.
func (s *Server) changeCluster(c *gin.Context) {
	name := c.Param("name")
	body, err := s.readBody(c, patchMax)
	var changed []change
	if err == nil {
		changed, err = s.setCluster(name, body)
	}
	if err != nil {
		s.refuse(c, err)
		return
	}
	if len(changed) > 0 {
		s.log.InfoContext(c.Request.Context(), "cluster changed by an operator", "cluster", name, by(c), logged(changed))
		s.note(c, "cluster.set", registry.ID{}, map[string]any{"cluster": name, "changed": noted(changed)})
	}
	s.showCluster(c)
}

func (s *Server) setCluster(name string, body []byte) ([]change, error) {
	s.changing.Lock()
	defer s.changing.Unlock()
	before, known := s.deps.Keeper.Cluster(name)
	if !known {
		return nil, errNoCluster
	}
	asked := before
	if err := patch(body, clusterKnobs(&asked)); err != nil {
		return nil, err
	}
	if asked.Budget > 0 && asked.Spares >= asked.Budget {
		return nil, badRequest(fmt.Sprintf("spares must be below the budget, of which they are a part: %d is not below %d", asked.Spares, asked.Budget))
	}
	changed := changes(clusterKnobs(&before), clusterKnobs(&asked))
	if len(changed) == 0 {
		return nil, nil
	}
	if err := s.deps.Keeper.SetCluster(name, asked); err != nil {
		return nil, unchanged(err)
	}
	return changed, nil
}
